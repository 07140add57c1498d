/** Stands in front of each answer, because libraries write to standard output too. */
export const ANSWER = '\u0001';

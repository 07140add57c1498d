export type { Recorder, VjpContext, VjpRule } from './rule.ts';
export { Tape, withGradients } from './tape.ts';

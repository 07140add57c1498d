export { decodeBFloat16, encodeBFloat16 } from './bfloat16.ts';
export { decodeFloat16, encodeFloat16 } from './float16.ts';

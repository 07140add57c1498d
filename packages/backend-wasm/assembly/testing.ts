// Kernels for the tests of the engine itself.
import { threadIndex } from './scratch';

/** args: int32 [chunks] to add to, value, work. Adds value + chunk, after some work. */
export function testMark(args: usize, begin: i32, end: i32): void {
  const out = load<usize>(args);
  const value = load<i32>(args, 4);
  const work = load<i32>(args, 8);
  for (let chunk = begin; chunk < end; chunk++) {
    let x: f32 = 0.5;
    for (let i = 0; i < work; i++) x = x * (1 - x) * 3.9;
    const at = out + (<usize>chunk << 2);
    store<i32>(at, load<i32>(at) + value + chunk + (x > 1 ? 1 : 0));
  }
}

/**
 * args: who (0: the host, 1: the other threads), what (0: trap, 1: run for ever), a flag. That who
 * sets the flag and does that; where it is the other threads, the host first waits for the flag.
 */
export function testFail(args: usize, begin: i32, end: i32): void {
  const who = load<i32>(args);
  const what = load<i32>(args, 4);
  const flag = load<usize>(args, 8);
  if ((threadIndex() == 0) == (who == 0)) {
    if (ASC_FEATURE_THREADS) atomic.store<i32>(flag, 1);
    while (what == 1) {}
    unreachable();
  }
  if (ASC_FEATURE_THREADS) {
    while (who == 1 && atomic.load<i32>(flag) == 0) {}
  }
}

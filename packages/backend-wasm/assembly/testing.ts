// Kernels that exist for the tests of the engine itself.

/** args: output int32 [chunks], value. Writes value + chunk, after some work that depends on it. */
export function testMark(args: usize, begin: i32, end: i32): void {
  const out = load<usize>(args);
  const value = load<i32>(args, 4);
  const spins = load<i32>(args, 8);
  for (let chunk = begin; chunk < end; chunk++) {
    let x: f32 = 0.5;
    for (let i = 0; i < spins; i++) x = x * (1 - x) * 3.9;
    store<i32>(out + (<usize>chunk << 2), value + chunk + (x > 1 ? 1 : 0));
  }
}

/** args: the chunk that traps. */
export function testTrap(args: usize, begin: i32, end: i32): void {
  const bad = load<i32>(args);
  if (bad >= begin && bad < end) unreachable();
}

/**
 * One case: everybody in turns, A B A B, and what became of each. A contender that is refused, wrong,
 * over its budget or too slow for another round makes no further turn.
 *
 * @returns one result for each that took part: `status` and, where passed, the seconds of all turns
 */
export async function race(wanted, contenders, { rounds, milliseconds, budget }) {
  const results = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      const earlier = results.get(contender.id);
      if (earlier?.isOver) continue;
      const began = performance.now();
      const turn = await contender.turn({ id: wanted.id, milliseconds });
      if (turn.status === 'not for it') {
        results.set(contender.id, { isOver: true, isAbsent: true });
        continue;
      }
      const wall = (performance.now() - began) / 1000;
      results.set(contender.id, {
        ...turn,
        // Some go on where their last turn ended: only first turns compute the same.
        value: earlier ? earlier.value : turn.value,
        seconds: [...(earlier?.seconds ?? []), ...(turn.seconds ?? [])],
        turns: (earlier?.turns ?? 0) + 1,
        runs: (earlier?.runs ?? 0) + (turn.runs ?? turn.seconds?.length ?? 0),
        isOver: turn.status !== 'passed' || wall > budget / 3,
      });
    }
  }
  const present = [...results].filter(([, { isAbsent }]) => !isAbsent);
  if (wanted.compared) compare(wanted.compared, new Map(present));
  return present.map(([id, { isOver, ...result }]) => ({ id, ...result }));
}

/** Marks as failed who computes another value than the one that is asked first. */
function compare({ name, tolerance, by }, results) {
  const judge = by.find((id) => results.get(id)?.status === 'passed');
  const expected = results.get(judge)?.value;
  for (const [id, result] of results) {
    if (result.status !== 'passed' || id === judge) continue;
    const error = Math.abs(result.value / expected - 1);
    if (error < tolerance) {
      result.judged_by = judge;
    } else {
      result.status = 'failed';
      result.message =
        judge === undefined
          ? `nobody took part to compare the ${name} with; add ${by[0]}`
          : `the ${name} is ${result.value}, with ${judge} ${expected}`;
    }
  }
}

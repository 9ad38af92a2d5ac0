/** One slope of terraces as the outline of an area, in steps of pseudo-random but always the same runs and rises. */
export function terraces(seed: number, from: number, to: number, width: number, height: number, steps: number): string {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const runs = Array.from({ length: steps }, () => 0.6 + random());
  const rises = Array.from({ length: steps }, () => 0.5 + random());
  const sum = (list: number[]) => list.reduce((total, one) => total + one, 0);
  const unitX = width / sum(runs);
  const unitY = (to - from) / sum(rises);
  let path = `M0 ${height}V${from.toFixed(1)}`;
  let x = 0;
  let y = from;
  for (let step = 0; step < steps; step += 1) {
    x += (runs[step] ?? 1) * unitX;
    path += `H${x.toFixed(1)}`;
    y += (rises[step] ?? 1) * unitY;
    path += `V${y.toFixed(1)}`;
  }
  return `${path}H${width}V${height}Z`;
}

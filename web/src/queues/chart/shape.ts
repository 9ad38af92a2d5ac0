/** How many units a pixel-free drawing is wide and high; it is stretched to its place. */
export const WIDTH = 100;
export const HEIGHT = 100;

/** A number above `value` that reads well at the end of an axis: a short multiple of a power of ten. */
export function ceiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 3, 4, 6, 8, 10]) if (step * power >= value) return step * power;
  return 10 * power;
}

/** The same for bytes, whose steps are powers of two. */
export function byteCeiling(value: number): number {
  return value > 1024 ? 2 ** Math.ceil(Math.log2(value)) : 1024;
}

function place(value: number, index: number, length: number, max: number): [number, number] {
  const x = length < 2 ? WIDTH : (index / (length - 1)) * WIDTH;
  const y = HEIGHT - (Math.min(Math.max(value, 0), max) / max) * HEIGHT;
  return [round(x), round(y)];
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** The path of a line through values; a gap in them is one in the line. */
export function line(values: readonly (number | null)[], max: number): string {
  let path = '';
  let isDrawing = false;
  values.forEach((value, index) => {
    if (value === null) {
      isDrawing = false;
      return;
    }
    const [x, y] = place(value, index, values.length, max);
    path += `${isDrawing ? 'L' : 'M'}${x} ${y}`;
    isDrawing = true;
  });
  return path;
}

/** The path around what lies under a line without gaps. */
export function area(values: readonly (number | null)[], max: number): string {
  const known = values.map((value) => value ?? 0);
  if (known.length === 0) return '';
  const [first] = place(0, 0, known.length, max);
  return `${line(known, max)}L${WIDTH} ${HEIGHT}L${first} ${HEIGHT}Z`;
}

/** What a line says, in numbers. */
export function summary(values: readonly (number | null)[]): { last: number; least: number; most: number } {
  const known = values.filter((value) => value !== null);
  return { last: known.at(-1) ?? 0, least: Math.min(...(known.length ? known : [0])), most: Math.max(...(known.length ? known : [0])) };
}

/** Every so many of many, so that at most `max` are left; the last one always. */
export function thinned<Item>(items: readonly Item[], max: number): Item[] {
  const step = Math.ceil(items.length / max);
  return step <= 1 ? [...items] : items.filter((_, index) => (items.length - 1 - index) % step === 0);
}

/**
 * How well what is typed finds a text: letters in their order, the better the closer together and the earlier in a word.
 *
 * 0 is not at all.
 */
export function match(typed: string, text: string): number {
  const wanted = plain(typed);
  const searched = plain(text);
  if (wanted === '') return 1;
  const whole = searched.indexOf(wanted);
  if (whole === 0) return 1000 - searched.length;
  if (whole > 0) return (/[\p{L}\p{N}]/u.test(searched[whole - 1] ?? '') ? 500 : 700) - searched.length;
  let score = 100;
  let from = 0;
  for (const character of wanted) {
    const at = searched.indexOf(character, from);
    if (at < 0) return 0;
    score -= at - from;
    from = at + 1;
  }
  return Math.max(score, 1);
}

/** A text without case and accents. */
export function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

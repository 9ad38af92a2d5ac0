const BROWSERS: [RegExp, string][] = [
  [/Firefox\/(\d+)/, 'Firefox'],
  [/Edg\/(\d+)/, 'Edge'],
  [/OPR\/(\d+)/, 'Opera'],
  [/Chrome\/(\d+)/, 'Chrome'],
  [/Version\/(\d+).*Safari/, 'Safari'],
];
const SYSTEMS = /(Windows|Android|iPhone|iPad|Macintosh|Linux)/;

/** What a client calls itself, in few words where it is a browser, which says much. */
export function clientOf(told: string): string {
  if (!told.startsWith('Mozilla/')) return told;
  for (const [pattern, name] of BROWSERS) {
    const version = pattern.exec(told)?.[1];
    if (version === undefined) continue;
    const system = SYSTEMS.exec(told)?.[1];
    return [`${name} ${version}`, system === 'Macintosh' ? 'Mac' : system].filter(Boolean).join(', ');
  }
  return told;
}

/** The object that was typed as JSON; nothing was typed is an empty one; nothing comes back where it is none. */
export function objectIn(typed: string): Record<string, unknown> | undefined {
  if (typed.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(typed);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

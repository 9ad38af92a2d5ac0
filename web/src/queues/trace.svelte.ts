const POINTS_MAX = 30;

/** How numbers went lately, as this page saw them: for what the server keeps no history of. */
export class Traces {
  #kept = $state.raw(new Map<string, number[]>());

  /** Notes what is now; what is not named any more is forgotten. */
  note(values: Iterable<[string, number]>) {
    const next = new Map<string, number[]>();
    for (const [name, value] of values) next.set(name, [...(this.#kept.get(name) ?? []), value].slice(-POINTS_MAX));
    this.#kept = next;
  }

  of(name: string): number[] {
    return this.#kept.get(name) ?? [];
  }
}

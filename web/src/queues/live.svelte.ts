import { Problem } from '../api/problem.ts';
import { gap } from './gap.ts';

const WAIT_MAX_MS = 30_000;

let free = 0;

/**
 * Something of the server's that is asked for again and again while it is looked at.
 *
 * To be made while a component is. What `ask` reads of the state before it waits begins it anew when it changes. Nothing is asked while
 * the page is hidden, and less and less often while the server does not answer.
 */
export class Live<Data> {
  data = $state.raw<Data>();
  /** Why the last question had no answer. */
  problem = $state.raw<unknown>();
  /** It has been asked, and no answer has come. */
  isFirst = $derived(this.data === undefined && this.problem === undefined);
  #turn = async () => {};

  constructor(ask: () => Promise<Data>, every: number | (() => number) = 0, heard?: (data: Data) => void) {
    $effect(() => {
      const everyMs = typeof every === 'number' ? every : every();
      let isOver = false;
      let timer = 0;
      let failures = 0;
      let wasPutOff = false;
      const later = () => {
        if (isOver || everyMs === 0) return;
        const wanted = Math.min(everyMs * 2 ** failures, Math.max(everyMs, WAIT_MAX_MS));
        const turn = gap(wanted, Date.now(), free);
        free = turn.freeMs;
        timer = window.setTimeout(() => {
          if (document.hidden) wasPutOff = true;
          else void this.#turn();
        }, turn.waitMs);
      };
      this.#turn = async () => {
        clearTimeout(timer);
        try {
          const data = await ask();
          if (isOver) return;
          failures = 0;
          this.data = data;
          this.problem = undefined;
          heard?.(data);
        } catch (thrown) {
          if (isOver) return;
          failures += 1;
          this.problem = Problem.of(thrown);
        }
        clearTimeout(timer);
        later();
      };
      const seen = () => {
        if (document.hidden || !wasPutOff) return;
        wasPutOff = false;
        void this.#turn();
      };
      document.addEventListener('visibilitychange', seen);
      void this.#turn();
      return () => {
        isOver = true;
        clearTimeout(timer);
        document.removeEventListener('visibilitychange', seen);
      };
    });
  }

  /** Asks now. */
  again(): Promise<void> {
    return this.#turn();
  }
}

import { api, csrf, done } from '../api/client.ts';
import { session } from '../app/session.svelte.ts';
import { notices } from '../ui/notices.svelte.ts';
import { isShown, sizeOf } from './kinds.ts';
import type { Audience, Command, Event, Share, State, Transfer } from './peer/messages.ts';
import { words } from './words.ts';

/** What others call this peer, behind the account. */
const PEER_NAME = 'browser';
/** Larger ones are written to a place that is asked for, where a browser can. */
const ASK_TARGET_BYTES = 512 << 20;
/** How long an address of a file that was fetched holds. */
const ADDRESS_MS = 60_000;

/** A content, as far as one has to know it to fetch it. */
export interface Wanted {
  root: string;
  name: string;
  /** 0 where nobody has said it yet. */
  size: number;
  /** The capability of a link. */
  link?: string | null;
}

const nothing: State = { standing: { stage: 'off', isReached: false, trouble: null }, shares: [], transfers: [] };

interface FilePicker {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
}

/** The files of this page: its peer, what it shares, and what it fetches. */
class Files {
  #state = $state.raw<State>(nothing);
  /** What was fetched to be looked at, by root. */
  looked = $state.raw<ReadonlyMap<string, string>>(new Map());
  #worker: Worker | null = null;
  #peer: string | null = null;
  #next = 1;
  /** What becomes of what is fetched: it is saved, or shown. */
  readonly #shows = new Set<number>();
  readonly #fetched = new Map<number, { root: string; file: File }>();

  /** Browsers give scripts no keys on pages that came over a network in the clear. */
  readonly isSecure = window.isSecureContext;

  #login = $derived(session.state === 'in' ? session.login : '');

  constructor() {
    $effect.root(() => {
      // Whoever comes next shares nothing of this one's.
      $effect(() => {
        void this.#login;
        return () => this.#end();
      });
    });
    csrf.follow((token) => {
      if (token !== null && this.#worker) this.#logIn(this.#worker, token);
    });
    addEventListener('pagehide', () => this.#logOut());
    addEventListener('beforeunload', (event) => {
      if (this.#isNeeded) event.preventDefault();
    });
  }

  get standing() {
    return this.#state.standing;
  }

  get shares(): Share[] {
    return this.#state.shares;
  }

  get transfers(): Transfer[] {
    return this.#state.transfers;
  }

  get going(): Transfer[] {
    return this.transfers.filter(isGoing);
  }

  /** Something would be lost if the page went now. */
  get #isNeeded(): boolean {
    return this.going.length > 0 || this.shares.some(({ stage }) => stage === 'hashing' || stage === 'publishing');
  }

  transferOf(root: string): Transfer | undefined {
    return this.transfers.findLast((transfer) => transfer.way === 'in' && transfer.root === root && transfer.stage !== 'cancelled');
  }

  shareOf(root: string): Share | undefined {
    return this.shares.find((share) => share.root === root && share.stage === 'shared');
  }

  share(files: File[], audience: Audience) {
    if (this.isSecure) this.#tell({ do: 'share', files, audience });
    else notices.say(words.insecureText, 'problem');
  }

  unshare(id: number) {
    this.#tell({ do: 'unshare', id });
  }

  /** Fetches a content, to be saved or to be shown in the page. */
  async fetch({ root, name, size, link = null }: Wanted, purpose: 'save' | 'show' = 'save') {
    if (!this.isSecure) {
      notices.say(words.insecureText, 'problem');
      return;
    }
    const known = this.transferOf(root);
    if (known && isGoing(known)) return;
    if (known?.stage === 'done' && this.#fetched.has(known.id)) {
      this.#use(known.id, purpose === 'show');
      return;
    }
    let target: FileSystemFileHandle | null = null;
    const { showSaveFilePicker } = window as FilePicker;
    if (purpose === 'save' && size >= ASK_TARGET_BYTES && showSaveFilePicker) {
      try {
        target = await showSaveFilePicker.call(window, { suggestedName: name });
      } catch {
        // Nobody wants it any more.
        return;
      }
    }
    if (known) this.forget(known.id);
    const id = this.#next++;
    if (purpose === 'show') this.#shows.add(id);
    this.#tell({ do: 'fetch', id, root, name, size, link, target });
  }

  /** Saves what is here again. */
  save(id: number) {
    this.#use(id, false);
  }

  has(id: number): boolean {
    return this.#fetched.has(id);
  }

  cancel(id: number) {
    this.#tell({ do: 'cancel', id });
  }

  retry(id: number) {
    this.#tell({ do: 'retry', id });
  }

  forget(id: number) {
    this.#fetched.delete(id);
    this.#tell({ do: 'forget', id });
  }

  #tell(command: Command) {
    this.#begin().postMessage(command);
  }

  #begin(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(new URL('./peer/worker.ts', import.meta.url), { type: 'module', name: 'files' });
    worker.onmessage = ({ data }: MessageEvent<Event>) => this.#take(data);
    worker.onerror = () => notices.say(words.workerBroken, 'problem', { text: words.reload, run: () => location.reload() });
    this.#logIn(worker, csrf.read() ?? '');
    this.#worker = worker;
    return worker;
  }

  /** Each session has a token of its own. */
  #logIn(worker: Worker, token: string) {
    worker.postMessage({ do: 'login', csrf: token, name: PEER_NAME } satisfies Command);
  }

  #take(event: Event) {
    switch (event.tell) {
      case 'state':
        this.#state = event.state;
        break;
      case 'announced':
        this.#peer = event.peer;
        break;
      case 'shared':
        void this.#say(event.share);
        break;
      case 'fetched':
        if (event.file) {
          this.#fetched.set(event.id, { root: event.root, file: event.file });
          this.#use(event.id, this.#shows.delete(event.id));
        }
        break;
    }
  }

  /** Tells the persons of an audience in their conversation; rooms are told by the server. */
  async #say({ audience, name, size, root }: Share) {
    if (!('accounts' in audience)) return;
    // A message has no line breaks, and a name may.
    const text = `${name.replaceAll(/\p{Cc}/gu, '\u{fffd}')} (${sizeOf(size)}) chaski:${root}`;
    for (const login of audience.accounts) {
      try {
        await done(api.POST('/v1/conversations/{login}/messages', { params: { path: { login } }, body: { text } }));
      } catch {
        notices.say(words.notTold(name, login), 'problem');
      }
    }
  }

  #use(id: number, isToShow: boolean) {
    const fetched = this.#fetched.get(id);
    if (!fetched) return;
    const { root, file } = fetched;
    const type = isToShow ? isShown(file.name) : null;
    if (type) {
      // Only as an image, whatever it is: what cannot be drawn is not.
      const address = URL.createObjectURL(file.slice(0, file.size, type));
      this.looked = new Map(this.looked).set(root, address);
      return;
    }
    const address = URL.createObjectURL(file.slice(0, file.size, 'application/octet-stream'));
    const link = document.createElement('a');
    link.href = address;
    link.download = file.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), ADDRESS_MS);
  }

  /** Tells the server that this peer goes, as far as a page that goes can. */
  #logOut() {
    if (this.#peer === null) return;
    const token = csrf.read();
    void fetch(`/v1/peers/${this.#peer}?forget=true`, { method: 'DELETE', keepalive: true, headers: token === null ? {} : { 'X-CSRF-Token': token } }).catch(() => {});
  }

  /** Ends with the session: without it nothing can be asked or served. */
  #end() {
    this.#worker?.terminate();
    this.#worker = null;
    this.#peer = null;
    this.#fetched.clear();
    for (const address of this.looked.values()) URL.revokeObjectURL(address);
    this.looked = new Map();
    this.#state = nothing;
  }
}

export function isGoing({ stage }: Transfer): boolean {
  return stage === 'finding' || stage === 'asking' || stage === 'passing';
}

export const files = new Files();

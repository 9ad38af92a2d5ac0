function read(hash: string): { segments: string[]; query: URLSearchParams } {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const segments = path.split('/').filter((part) => part !== '');
  return { segments: segments.map(decoded), query: new URLSearchParams(query) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a place of the page: `to('talk', 'lobby')` is `#/talk/lobby`. */
export function to(...segments: string[]): string {
  return `#/${segments.map((part) => encodeURIComponent(part).replaceAll('%40', '@')).join('/')}`;
}

/** Where one is: everything behind the `#`, so that neither names nor codes reach a server's log. */
class Router {
  #now = $state.raw(read(location.hash));

  constructor() {
    addEventListener('hashchange', () => (this.#now = read(location.hash)));
  }

  /** The parts of the path: `['talk', 'lobby']`. */
  get segments(): string[] {
    return this.#now.segments;
  }

  get query(): URLSearchParams {
    return this.#now.query;
  }

  /** Goes somewhere, so that the browser's back button leads here again. */
  go(address: string) {
    if (location.hash !== address) location.hash = address;
  }

  /** Goes somewhere in place of where one is: what stood there is in no history, as a code that was used. */
  replace(address: string) {
    history.replaceState(null, '', address);
    this.#now = read(location.hash);
  }
}

export const router = new Router();

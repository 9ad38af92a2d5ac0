/** What may lie in memory where the browser lends no disk. */
const MEMORY_BYTES_MAX = 512 << 20;
const FOLDER = 'chaski';

/** Where a content grows. */
export interface Sink {
  write(place: number, bytes: Uint8Array): Promise<void>;
  /** Ends with the file; null where it is at its place already. */
  finish(): Promise<File | null>;
  discard(): Promise<void>;
}

/** A file that is written in place; only workers have them. */
interface SyncAccess {
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

/** The browser's own disk, which no page of another site sees; a folder for each page, which goes when nobody uses it any more. */
class DiskSink implements Sink {
  private constructor(
    readonly folder: FileSystemDirectoryHandle,
    readonly handle: FileSystemFileHandle,
    readonly access: SyncAccess,
    readonly name: string,
  ) {}

  static async open(name: string, size: number): Promise<DiskSink> {
    const folder = await ownFolder();
    const handle = await folder.getFileHandle(crypto.randomUUID(), { create: true });
    const access = await (handle as unknown as { createSyncAccessHandle(): Promise<SyncAccess> }).createSyncAccessHandle();
    try {
      access.truncate(size);
    } catch (thrown) {
      access.close();
      await folder.removeEntry(handle.name);
      throw thrown;
    }
    return new DiskSink(folder, handle, access, name);
  }

  async write(place: number, bytes: Uint8Array) {
    this.access.write(bytes, { at: place });
  }

  async finish() {
    this.access.flush();
    this.access.close();
    const file = await this.handle.getFile();
    return new File([file], this.name);
  }

  async discard() {
    this.access.close();
    await this.folder.removeEntry(this.handle.name).catch(() => {});
  }
}

let own: Promise<FileSystemDirectoryHandle> | null = null;

function ownFolder(): Promise<FileSystemDirectoryHandle> {
  own ??= claimFolder();
  return own;
}

/** Takes a folder for this page, and removes those of pages that are gone. */
async function claimFolder(): Promise<FileSystemDirectoryHandle> {
  const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
  const name = crypto.randomUUID();
  const isClaimed = new Promise<void>((resolve) => {
    // Held until the page goes, however it goes.
    void navigator.locks.request(`${FOLDER}/${name}`, () => (resolve(), new Promise(() => {})));
  });
  await isClaimed;
  const folders = (root as unknown as { keys(): AsyncIterable<string> }).keys();
  for await (const other of folders) {
    await navigator.locks.request(`${FOLDER}/${other}`, { ifAvailable: true }, async (lock) => {
      if (lock && other !== name) await root.removeEntry(other, { recursive: true }).catch(() => {});
    });
  }
  return root.getDirectoryHandle(name, { create: true });
}

/** A file that somebody has chosen. */
class TargetSink implements Sink {
  constructor(readonly writable: FileSystemWritableFileStream) {}

  write(place: number, bytes: Uint8Array) {
    return this.writable.write({ type: 'write', position: place, data: bytes as Uint8Array<ArrayBuffer> });
  }

  async finish() {
    await this.writable.close();
    return null;
  }

  async discard() {
    // What is finished is somebody's file.
    await this.writable.abort().catch(() => {});
  }
}

/** Memory, for browsers that lend a page no disk. */
class MemorySink implements Sink {
  #parts = new Map<number, Uint8Array<ArrayBuffer>>();

  constructor(readonly name: string) {}

  async write(place: number, bytes: Uint8Array) {
    this.#parts.set(place, bytes as Uint8Array<ArrayBuffer>);
  }

  async finish() {
    const parts = [...this.#parts].sort(([one], [other]) => one - other).map(([, part]) => part);
    this.#parts.clear();
    return new File(parts, this.name);
  }

  async discard() {
    this.#parts.clear();
  }
}

/** Finds a place for a content: the file that somebody has chosen, or else the browser's disk, or memory. */
export async function openSink(name: string, size: number, target: FileSystemFileHandle | null): Promise<Sink> {
  if (target) {
    const writable = target.createWritable().catch((thrown: unknown) => {
      throw new NoRoom(thrown);
    });
    return new TargetSink(await writable);
  }
  try {
    return await DiskSink.open(name, size);
  } catch (thrown) {
    const isFull = thrown instanceof DOMException && thrown.name === 'QuotaExceededError';
    if (isFull || size > MEMORY_BYTES_MAX) throw new NoRoom();
    return new MemorySink(name);
  }
}

/** It cannot be written there. */
export class NoRoom extends Error {
  constructor(cause?: unknown) {
    super(cause instanceof Error ? cause.message : 'the browser has no room for it');
    this.name = 'NoRoom';
  }
}

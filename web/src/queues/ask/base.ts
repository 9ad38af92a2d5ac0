import { api, done } from '../../api/client.ts';

type Query = Record<string, string | number | boolean | undefined>;
type Asked = Promise<{ data?: unknown; error?: unknown; response: Response }>;
type Verb = (path: string, options: object) => Asked;

/** A path from its parts, each of which may hold any character. */
export function path(...parts: string[]): string {
  return `/v1/${parts.map(encodeURIComponent).join('/')}`;
}

/** Reads what the document of the interface that these types were made from may not have yet. */
export async function read<Data>(from: string, query: Query = {}): Promise<Data> {
  return (await done((api.GET as unknown as Verb)(from, { params: { query } }))) as Data;
}

/** Puts, deletes and posts there. */
export async function change<Data = void>(verb: 'PUT' | 'DELETE' | 'POST' | 'PATCH', at: string, body?: unknown, query: Query = {}): Promise<Data> {
  return (await done((api[verb] as unknown as Verb)(at, { params: { query }, ...(body === undefined ? {} : { body }) }))) as Data;
}

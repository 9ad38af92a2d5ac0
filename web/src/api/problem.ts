/** An error as the server tells it (RFC 9457), or one of the way to it. */
export class Problem extends Error {
  /** The last part of the document's type, such as `conflict`; `unreachable` when nobody answered. */
  readonly kind: string;
  readonly status: number;
  /** The field of a form that it is about. */
  readonly field: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterS: number | undefined;

  constructor(kind: string, status: number, detail: string, more: { field?: string; requestId?: string; retryAfterS?: number } = {}) {
    super(detail);
    this.name = 'Problem';
    this.kind = kind;
    this.status = status;
    this.field = more.field;
    this.requestId = more.requestId;
    this.retryAfterS = more.retryAfterS;
  }

  /** Makes sense of whatever was thrown. */
  static of(thrown: unknown): Problem {
    if (thrown instanceof Problem) return thrown;
    if (thrown instanceof TypeError) return new Problem('unreachable', 0, '');
    // What the chat's connection throws, known by its name: this module is everybody's, and that one is the chat's.
    if (thrown instanceof Error && thrown.name === 'Lost') return new Problem('unreachable', 0, '');
    if (thrown instanceof Error && thrown.name === 'Refused') {
      const afterMs = 'retryAfterMs' in thrown ? Number(thrown.retryAfterMs) : 0;
      return new Problem('refused', 0, thrown.message, afterMs > 0 ? { retryAfterS: Math.ceil(afterMs / 1_000) } : {});
    }
    return new Problem('mistake', 0, thrown instanceof Error ? thrown.message : String(thrown));
  }

  /** Reads the answer to a request that was refused. */
  static read(response: Response, body: unknown): Problem {
    const document = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
    const text = (name: string) => (typeof document[name] === 'string' ? (document[name] as string) : undefined);
    const kind = text('type')?.split('/').pop() ?? (response.status >= 502 ? 'unreachable' : 'internal');
    const after = Number(response.headers.get('Retry-After'));
    const field = text('field');
    const requestId = text('request_id');
    return new Problem(kind, response.status, text('detail') ?? response.statusText, {
      ...(field === undefined ? {} : { field }),
      ...(requestId === undefined ? {} : { requestId }),
      ...(after > 0 ? { retryAfterS: after } : {}),
    });
  }
}

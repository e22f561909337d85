/** HTTP from this host to others, as an interface: used only by kinds that say where to go. */

export interface HttpRequest {
  /** Sent to the first host only: a redirect to another origin goes without them. */
  readonly headers?: { readonly [name: string]: string };
  /** Silence of this length while connecting, waiting for the answer or within the body ends the request. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/** Why there is no answer, or no whole body. */
export interface HttpProblem {
  /** One sentence without a full stop, no credentials in it. */
  readonly text: string;
  /** Asking again would give the same: a bad address, a refused redirect, a certificate that does not hold. */
  readonly permanent: boolean;
}

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: { readonly [name: string]: string };
  /** Where the redirects ended. */
  readonly url: string;
  /**
   * Hands the body over piece by piece, each when the one before was taken; `stop` ends it early. Resolves to null when
   * the body was whole or stopped, else to what cut it off: a length that falls short of Content-Length is a problem.
   */
  receive(take: (bytes: Uint8Array) => Promise<'more' | 'stop'>): Promise<HttpProblem | null>;
  /** Closes the connection; the body is not wanted. */
  discard(): void;
}

export interface Http {
  /**
   * Asks with GET and follows redirects, at most ten, never from https to http. Certificates are verified. Proxies are
   * taken from `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`; one that cannot be used is a problem. Never rejects; a fired `signal` is a problem like another.
   */
  get(
    url: string,
    request: HttpRequest,
  ): Promise<
    | { readonly ok: true; readonly response: HttpResponse }
    | { readonly ok: false; readonly problem: HttpProblem }
  >;
}

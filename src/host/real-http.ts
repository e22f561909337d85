/** HTTP and HTTPS by Node's own client: redirects followed with care, certificates verified, silence noticed. */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { Http, HttpProblem, HttpRequest, HttpResponse } from './http.ts';
import { proxyAuthorization, proxyFor } from './proxy.ts';

const MOST_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

type Variables = { readonly [name: string]: string | undefined };
type Asked =
  | { readonly ok: true; readonly message: IncomingMessage }
  | { readonly ok: false; readonly problem: HttpProblem };

/** HTTP as it leaves this host, through the proxies that `env` names. */
export function makeHttp(env: Variables): Http {
  return { get: (url, request) => follow(url, request, env) };
}

export const realHttp: Http = makeHttp(process.env);

async function follow(
  first: string,
  request: HttpRequest,
  env: Variables,
): Promise<
  | { readonly ok: true; readonly response: HttpResponse }
  | { readonly ok: false; readonly problem: HttpProblem }
> {
  if (!URL.canParse(first)) return refused('that is not a URL');
  let url = new URL(first);
  let headers = request.headers ?? {};
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const asked = await ask(url, { ...request, headers }, env);
    if (!asked.ok) return asked;
    const { message } = asked;
    const { location } = message.headers;
    if (!REDIRECTS.has(message.statusCode ?? 0) || location === undefined)
      return { ok: true, response: responseOf(message, url, request) };
    message.destroy();
    if (!URL.canParse(location, url.href)) return refused('the server redirects to something that is no URL');
    const next = new URL(location, url);
    const problem = redirectProblem(url, next);
    if (problem !== null) return refused(problem);
    // A token for one host is none of another's business.
    if (next.origin !== url.origin) headers = harmless(headers);
    url = next;
  }
  return refused(`the server redirects more than ${MOST_REDIRECTS} times`);
}

function redirectProblem(from: URL, to: URL): string | null {
  if (to.protocol !== 'http:' && to.protocol !== 'https:')
    return `the server redirects to ${to.protocol}//, which is neither http nor https`;
  if (from.protocol === 'https:' && to.protocol === 'http:')
    return `the server redirects from https to plain http (${to.host}), which is refused`;
  return null;
}

const HARMLESS = new Set(['range', 'if-range', 'accept-encoding', 'user-agent', 'accept']);

/** What follows a redirect to another origin: range and validators, nothing else that the caller set. */
function harmless(headers: { readonly [name: string]: string }): { readonly [name: string]: string } {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => HARMLESS.has(name.toLowerCase())));
}

function ask(url: URL, request: HttpRequest, env: Variables): Promise<Asked> {
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return Promise.resolve(refused(`${url.protocol}// is neither http nor https`));
  const options: RequestOptions = {
    method: 'GET',
    headers: request.headers,
    signal: request.signal,
    // One connection per request: an idle one kept alive would only keep the process.
    agent: false,
  };
  const proxy = proxyFor(url, env);
  if (proxy !== null && 'problem' in proxy) return Promise.resolve(refused(proxy.problem));
  if (proxy === null) {
    const start = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return answer(() => start(url, options), request);
  }
  const authorization = proxyAuthorization(proxy);
  const toProxy = authorization === null ? {} : { 'proxy-authorization': authorization };
  if (url.protocol === 'https:') return throughTunnel(url, proxy, toProxy, options, request);
  const headers = { host: url.host, ...request.headers, ...toProxy };
  const own = { ...options, headers, host: proxy.hostname, port: proxy.port || 80, path: url.href };
  return answer(() => httpRequest(own), request);
}

/** https through a proxy: CONNECT first, then TLS with the far host inside of that connection. */
function throughTunnel(
  url: URL,
  proxy: URL,
  headers: { readonly [name: string]: string },
  options: RequestOptions,
  request: HttpRequest,
): Promise<Asked> {
  return new Promise((resolve) => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const far = `${url.hostname}:${url.port || 443}`;
    const tunnel = httpRequest({
      method: 'CONNECT',
      host: proxy.hostname,
      port: proxy.port || 80,
      path: far,
      headers: { host: far, ...headers },
      agent: false,
      signal: request.signal,
      timeout: request.silenceMs,
    });
    tunnel.once('timeout', () => tunnel.destroy(new Error('the proxy is silent')));
    tunnel.once('error', (error) => resolve({ ok: false, problem: problemOf(error) }));
    tunnel.once('connect', (response, socket) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        resolve(refused(`the proxy ${proxy.host} answers ${response.statusCode}`));
        return;
      }
      const createConnection = () =>
        tlsConnect({ socket, host, ...(isIP(host) === 0 ? { servername: host } : {}) });
      resolve(answer(() => httpsRequest(url, { ...options, agent: undefined, createConnection }), request));
    });
    tunnel.end();
  });
}

function answer(start: () => ClientRequest, request: HttpRequest): Promise<Asked> {
  return new Promise((resolve) => {
    let asking: ClientRequest;
    try {
      asking = start();
    } catch (error) {
      // A header that HTTP does not allow.
      resolve(refused(error instanceof Error ? error.message : String(error)));
      return;
    }
    const silence = setTimeout(
      () => asking.destroy(new Error(`no answer within ${seconds(request.silenceMs)}`)),
      request.silenceMs,
    );
    asking.once('response', (message) => {
      clearTimeout(silence);
      resolve({ ok: true, message });
    });
    asking.on('error', (error) => {
      clearTimeout(silence);
      resolve({ ok: false, problem: problemOf(error) });
    });
    asking.end();
  });
}

function responseOf(message: IncomingMessage, url: URL, request: HttpRequest): HttpResponse {
  const headers = Object.fromEntries(
    Object.entries(message.headers).map(([name, value]) => [name, String(value)]),
  );
  return {
    status: message.statusCode ?? 0,
    headers,
    url: url.href,
    discard: () => message.destroy(),
    receive: (take) => receive(message, take, request.silenceMs),
  };
}

async function receive(
  message: IncomingMessage,
  take: (bytes: Uint8Array) => Promise<'more' | 'stop'>,
  silenceMs: number,
): Promise<HttpProblem | null> {
  const watch = () =>
    setTimeout(() => message.destroy(new Error(`nothing came for ${seconds(silenceMs)}`)), silenceMs);
  let silence = watch();
  try {
    for await (const bytes of message) {
      // Not while the bytes are taken: a slow disk is not the server's silence.
      clearTimeout(silence);
      if ((await take(bytes as Uint8Array)) === 'stop') return null;
      silence = watch();
    }
    return null;
  } catch (error) {
    return problemOf(error);
  } finally {
    clearTimeout(silence);
    message.destroy();
  }
}

/** Node's codes for a certificate that does not hold: asking again changes nothing. */
const CERTIFICATE = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT)/;

const PERMANENT = new Set(['ABORT_ERR', 'ENOTFOUND']);

function problemOf(error: unknown): HttpProblem {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (CERTIFICATE.test(code))
    return {
      text: `its certificate is not valid: ${message} (own authorities: NODE_EXTRA_CA_CERTS)`,
      permanent: true,
    };
  const words: { readonly [code: string]: string } = {
    ENOTFOUND: 'there is no host of that name',
    EAI_AGAIN: 'the name of the host could not be looked up',
    ECONNREFUSED: 'the connection was refused',
    ECONNRESET: 'the connection was cut off',
    ABORT_ERR: 'stopped',
  };
  return {
    text: words[code] ?? (message || code || 'the connection failed'),
    permanent: PERMANENT.has(code),
  };
}

function refused(text: string): { readonly ok: false; readonly problem: HttpProblem } {
  return { ok: false, problem: { text, permanent: true } };
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Math.round(ms / 1000)} s`;
}

/** Which proxy, if any, stands between this host and a URL: the variables that curl and wget read. */
import { BlockList, isIP } from 'node:net';

type Variables = { readonly [name: string]: string | undefined };

/** No connection may be made, and why: what the variables ask for is not to be passed by. */
export interface UnusableProxy {
  readonly problem: string;
}

/**
 * The proxy for a URL out of `https_proxy` or `http_proxy`, else `all_proxy`, unless `no_proxy` names its host; null for a
 * direct connection. One of a kind that is not spoken here is a problem: who set it does not want a direct connection.
 * `HTTP_PROXY` in capitals is not read, as in curl: a web server could have set it from a request header.
 */
export function proxyFor(url: URL, env: Variables): URL | UnusableProxy | null {
  const secure = url.protocol === 'https:';
  const value = secure ? env['https_proxy'] || env['HTTPS_PROXY'] : env['http_proxy'];
  const chosen = (value || env['all_proxy'] || env['ALL_PROXY'] || '').trim();
  if (chosen === '' || isExempt(url, env['no_proxy'] || env['NO_PROXY'] || '')) return null;
  const text = chosen.includes('://') ? chosen : `http://${chosen}`;
  if (!URL.canParse(text)) return { problem: 'the proxy that the environment names is no URL' };
  const proxy = new URL(text);
  if (proxy.protocol === 'http:') return proxy;
  const kind = proxy.protocol.slice(0, -1);
  const name = kind.startsWith('socks') ? 'a SOCKS proxy' : `a proxy of the kind ${kind}`;
  return {
    problem: `the environment names ${name} (${kind}://${proxy.host}), and only http:// proxies can be used; name the host in no_proxy to go there directly`,
  };
}

/** The value of `Proxy-Authorization` for a proxy with a user in its URL, else null. */
export function proxyAuthorization(proxy: URL): string | null {
  if (proxy.username === '') return null;
  const user = `${decoded(proxy.username)}:${decoded(proxy.password)}`;
  return `Basic ${Buffer.from(user).toString('base64')}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether a list with commas or blanks names the host: `*`, names and what is below them, addresses, networks, each with a port if need be. */
function isExempt(url: URL, list: string): boolean {
  const host = url.hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).some((entry) => isNamed(host, port, entry.toLowerCase()));
}

function isNamed(host: string, port: string, entry: string): boolean {
  if (entry === '*') return true;
  // Brackets or a single colon: what follows is a port. More colons are an address of IPv6.
  const [, bracketed, plain, stated] =
    /^(?:\[([^\]]+)\]|([^:]*|[^:]*:[^:]*:.*))(?::(\d+))?$/.exec(entry) ?? [];
  if (stated !== undefined && stated !== port) return false;
  const name = (bracketed ?? plain ?? '').replace(/^\*?\./, '').replace(/\.$/, '');
  if (name === '') return false;
  if (isIP(host) !== 0) return isInNetwork(host, name);
  return host === name || host.endsWith(`.${name}`);
}

/** Whether an address is another one, perhaps written differently, or lies in a network such as `10.0.0.0/8`. */
function isInNetwork(address: string, text: string): boolean {
  const [network = '', prefix] = text.split('/');
  const type = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  const most = type === 'ipv6' ? 128 : 32;
  const bits = prefix === undefined ? most : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (isIP(network) === 0 || !(bits <= most)) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, type);
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

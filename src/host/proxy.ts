/** Which proxy, if any, stands between this host and a URL: the variables that curl and wget read. */

type Variables = { readonly [name: string]: string | undefined };

/**
 * The proxy for a URL out of `https_proxy` or `http_proxy`, unless `no_proxy` names its host; null for a direct connection.
 * `HTTP_PROXY` in capitals is not read, as in curl: a web server could have set it from a request header.
 */
export function proxyFor(url: URL, env: Variables): URL | null {
  const secure = url.protocol === 'https:';
  const value = secure ? env['https_proxy'] || env['HTTPS_PROXY'] : env['http_proxy'];
  const chosen = value || env['all_proxy'] || env['ALL_PROXY'];
  if (!chosen || isExempt(url, env['no_proxy'] || env['NO_PROXY'] || '')) return null;
  const text = chosen.includes('://') ? chosen : `http://${chosen}`;
  if (!URL.canParse(text)) return null;
  const proxy = new URL(text);
  return proxy.protocol === 'http:' ? proxy : null;
}

/** The value of `Proxy-Authorization` for a proxy with a user in its URL, else null. */
export function proxyAuthorization(proxy: URL): string | null {
  if (proxy.username === '') return null;
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(user).toString('base64')}`;
}

function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.toLowerCase();
  return list.split(',').some((entry) => {
    const name = entry.trim().toLowerCase().replace(/^\./, '').replace(/:\d+$/, '');
    return name === '*' || (name !== '' && (host === name || host.endsWith(`.${name}`)));
  });
}

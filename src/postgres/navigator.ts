/**
 * What Node has by itself since 21. `pg` looks here first whether it runs on a Cloudflare Worker (lib/stream.js);
 * without it, it makes a `Response`, for which Node 20 loads all of its fetch: a tenth of a second on a slow machine.
 */
if (!('navigator' in globalThis))
  Object.defineProperty(globalThis, 'navigator', {
    value: { userAgent: `Node.js/${process.versions.node.split('.')[0]}` },
    configurable: true,
  });

const http = require('http');
function handler(method, path) {
  if (path.startsWith('/v1/public/')) return 'public';
  if (path.startsWith('/v1/admin/') || path === '/v1/admin') return 'admin';
  if (/^\/v1\/items\/[^/]+\/void$/.test(path)) return method === 'POST' ? 'admin' : 'none';
  return path.startsWith('/v1/') ? 'rest' : 'none';
}
http.createServer((req, res) => {
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('end', () => {
    let url, merchant = null;
    try { url = new URL(req.url, 'http://localhost'); } catch { res.statusCode = 404; return res.end('{}'); }
    try { merchant = JSON.parse(Buffer.concat(chunks).toString()).merchant ?? null; } catch {}
    let path = url.pathname;
    try { path = decodeURIComponent(path); } catch {}
    const seen = { handler: handler(req.method, path), merchant, till: req.headers['x-till-id'] ?? null,
      shop: url.searchParams.getAll('shop').pop() ?? null };
    res.end(JSON.stringify(seen));
  });
}).listen(Number(process.argv[2]), '127.0.0.1');

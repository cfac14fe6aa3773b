const express = require('express');
const app = express();
app.set('query parser', 'extended');
app.use(express.json({ strict: false }));
app.use(express.urlencoded({ extended: true }));
const say = (handler) => (req, res) => {
  const body = req.body ?? {};
  const one = (value) => (Array.isArray(value) ? value[value.length - 1] : value) ?? null;
  res.end(JSON.stringify({ handler, merchant: one(body.merchant), till: req.get('x-till-id') ?? null, shop: one(req.query.shop) }));
};
app.use('/v1/public', say('public'));
app.use('/v1/admin', say('admin'));
app.post('/v1/items/:id/void', say('admin'));
app.get('/v1/items/:id', say('rest'));
app.use('/v1', say('rest'));
app.use((error, req, res, next) => { res.statusCode = 400; res.end('{}'); });
app.listen(Number(process.argv[2]), '127.0.0.1');

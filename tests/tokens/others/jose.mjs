// Verifies tokens as a service in JavaScript would: jose, and the key set over HTTP.
//
// Reads {"jwks", "issuer", "audience", "algorithms", "tokens"} as JSON, and returns for each token its subject,
// or the code of the error.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const { createRemoteJWKSet, errors, jwtVerify } = await import(pathToFileURL(process.argv[2]))
const ask = JSON.parse(readFileSync(0, 'utf8'))
const keys = createRemoteJWKSet(new URL(ask.jwks))
const { issuer, audience, algorithms } = ask
const requiredClaims = ['exp', 'iat', 'nbf', 'iss', 'aud', 'sub', 'jti', 'client_id']

const judge = async (token) => {
  try {
    const options = { issuer, audience, algorithms, requiredClaims, typ: 'at+jwt' }
    return { subject: (await jwtVerify(token, keys, options)).payload.sub }
  } catch (error) {
    if (error instanceof errors.JOSEError) return { error: error.code }
    throw error
  }
}

console.log(JSON.stringify(await Promise.all(ask.tokens.map(judge))))

/**
 * Every secret of a simulation begins with the same word, so that one search tells whether any of them got out. In base64 the word
 * begins at a boundary of three bytes, so its first 16 characters are always the same.
 */
export const canary = 'cAnArY-7Hq2'
export const canaryBase64 = Buffer.from(canary).toString('base64').slice(0, 12)

export const secretText = (what: string): string => `${canary}-${what}-*1aA`
export const base64 = (text: string): string => Buffer.from(text).toString('base64')
export const servicePassword = secretText('service')
export const sitePrivateKey = `-----BEGIN PRIVATE KEY-----\n${secretText('key')}\n-----END PRIVATE KEY-----\n`

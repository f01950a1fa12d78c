import { createHash, generateKeyPairSync, verify } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ItemKey, itemForm, itemName } from '../../lib/run/index.ts';
import { fingerprintOf, isSignedBy, RecordSigner, readPublicKey } from '../../lib/run/signature.ts';

let folder: string;
const path = (name: string) => join(folder, name);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-keys-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('names of items', () => {
  /** Of RFC 4231; HMAC fills shorter keys up with zeros. */
  const padded = (...bytes: number[]) =>
    new ItemKey(Buffer.concat([Buffer.from(bytes), Buffer.alloc(32 - bytes.length)]));

  test.each([
    [
      padded(...new Array(20).fill(0x0b)),
      'Hi There',
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    ],
    [
      padded(...Buffer.from('Jefe')),
      'what do ya want for nothing?',
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
  ])('are HMAC-SHA-256, by the vectors of RFC 4231', (key, text, expected) => expect(key.nameOf(text)).toBe(expected));

  test('are of a form that is the same for the same texts, however they are written', () => {
    const example = { kind: 'question-answer', prompt: 'Who was Andre\u0301?', completion: 'Nobody "here"\n' } as const;
    const form = '{"completion":"Nobody \\"here\\"\\n","kind":"question-answer","prompt":"Who was Andr\u00e9?"}';
    expect(itemForm(example)).toBe(form);
    expect(itemForm({ ...example, prompt: 'Who was Andr\u00e9?' })).toBe(form);
    const more = { ...example, source: { file: 'x', line: 3 }, attributes: { author: 'y' } };
    expect(itemForm(more)).toBe(form);
    const key = padded(1);
    expect(itemName(key, example)).toBe(key.nameOf(form));
    for (const other of [
      { kind: 'prompt-completion' },
      { prompt: 'Who was Andre?' },
      { completion: 'Nobody "here"' },
    ] as const) {
      expect(itemName(key, { ...example, ...other })).not.toBe(itemName(key, example));
    }
    expect(itemName(padded(2), example)).not.toBe(itemName(key, example));
  });

  test('are of all turns of a conversation, and of all of a text', () => {
    const messages = [
      { role: 'user', content: 'Who?' },
      { role: 'assistant', content: 'Nobody.' },
    ];
    expect(itemForm({ kind: 'messages', prompt: 'Who?', completion: 'Nobody.', messages })).toBe(
      '{"kind":"messages","messages":[{"content":"Who?","role":"user"},{"content":"Nobody.","role":"assistant"}]}',
    );
    expect(itemForm({ kind: 'text', prompt: '', completion: 'Nobody.' })).toBe('{"kind":"text","text":"Nobody."}');
  });

  test('a key is written once, for its owner alone, and read back; its id tells nothing of it', async () => {
    const key = ItemKey.random();
    await key.write(path('out.key'));
    expect((await stat(path('out.key'))).mode & 0o777).toBe(0o600);
    const again = await ItemKey.read(path('out.key'));
    expect(again.nameOf('x')).toBe(key.nameOf('x'));
    expect(again.id).toBe(key.id);
    expect(key.id).toMatch(/^[0-9a-f]{16}$/);
    await expect(key.write(path('out.key'))).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
    expect(ItemKey.random().id).not.toBe(key.id);
  });

  test.each(['', 'secret', `${'0'.repeat(63)}\n`, `${'0'.repeat(64)}0`, `${'g'.repeat(64)}\n`])(
    'what is no key is refused, and not quoted: %j',
    async (content) => {
      await writeFile(path('bad.key'), content);
      const message = `${path('bad.key')} is no key of items; expected 64 hexadecimal digits, as a run writes them (or: openssl rand -hex 32)`;
      await expect(ItemKey.read(path('bad.key'))).rejects.toMatchObject({ code: 'SOUL_BAD_FILE', message });
    },
  );

  test('a key that is not there, and one of another length', async () => {
    await expect(ItemKey.read(path('nowhere'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
    expect(() => new ItemKey(new Uint8Array(16))).toThrow(/must be 32 bytes, but is 16 bytes/);
    expect(() => new ItemKey('x'.repeat(32) as never)).toThrow(/must be 32 bytes, but is string/);
  });
});

describe('signatures', () => {
  const pem = (label: string, der: string) =>
    `-----BEGIN ${label}-----\n${Buffer.from(der, 'hex').toString('base64')}\n-----END ${label}-----\n`;

  test.each([
    [
      '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      '72',
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
  ])('are Ed25519, by the vectors of RFC 8032', async (secret, open, message, expected) => {
    const spki = `302a300506032b6570032100${open}`;
    await writeFile(path('signer.pem'), pem('PRIVATE KEY', `302e020100300506032b657004220420${secret}`));
    await writeFile(path('signer.pub'), pem('PUBLIC KEY', spki));
    const signer = await RecordSigner.read(path('signer.pem'));
    const bytes = Buffer.from(message, 'hex');
    const signed = signer.sign(bytes);
    expect(Buffer.from(signed.signature, 'base64').toString('hex')).toBe(expected);
    const fingerprint = `SHA256:${createHash('sha256').update(Buffer.from(spki, 'hex')).digest('base64')}`;
    expect(signed.signer).toBe(fingerprint);
    const key = await readPublicKey(path('signer.pub'));
    expect(fingerprintOf(key)).toBe(fingerprint);
    expect(isSignedBy(key, bytes, signed.signature)).toBe(true);
    expect(isSignedBy(key, Buffer.from([...bytes, 0]), signed.signature)).toBe(false);
    expect(isSignedBy(key, bytes, '')).toBe(false);
  });

  test('a key with a passphrase is opened with the one in the environment', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open' } as const;
    await writeFile(path('signer.pem'), privateKey.export(options));
    await expect(RecordSigner.read(path('signer.pem'))).rejects.toThrow(
      /passphrase; give it in .* SOUL_SIGN_PASSPHRASE$/,
    );
    try {
      process.env.SOUL_SIGN_PASSPHRASE = 'wrong';
      await expect(RecordSigner.read(path('signer.pem'))).rejects.toThrow(/cannot be opened with the passphrase/);
      process.env.SOUL_SIGN_PASSPHRASE = 'open';
      const { signature } = (await RecordSigner.read(path('signer.pem'))).sign(Buffer.from('x'));
      expect(verify(null, Buffer.from('x'), publicKey, Buffer.from(signature, 'base64'))).toBe(true);
    } finally {
      delete process.env.SOUL_SIGN_PASSPHRASE;
    }
  });

  test('keys of other kinds are refused', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const own = generateKeyPairSync('ed25519');
    await writeFile(path('rsa.pem'), rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await writeFile(path('rsa.pub'), rsa.publicKey.export({ type: 'spki', format: 'pem' }));
    await writeFile(path('own.pem'), own.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await writeFile(path('own.pub'), own.publicKey.export({ type: 'spki', format: 'pem' }));
    await writeFile(path('text'), 'no key');
    await expect(RecordSigner.read(path('rsa.pem'))).rejects.toThrow(/of type rsa; records are signed with Ed25519/);
    await expect(RecordSigner.read(path('own.pub'))).rejects.toThrow(/is a public key; signing takes the private one/);
    await expect(RecordSigner.read(path('text'))).rejects.toThrow(/is no private key in PEM; make one: openssl/);
    await expect(RecordSigner.read(path('nowhere'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
    await expect(readPublicKey(path('rsa.pub'))).rejects.toThrow(/of type rsa/);
    await expect(readPublicKey(path('own.pem'))).rejects.toThrow(/is a private key; take the public one: openssl pkey/);
    await expect(readPublicKey(path('text'))).rejects.toThrow(/is no public key in PEM/);
  });
});

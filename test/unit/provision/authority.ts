import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate made by openssl, its key, and where they are. */
export interface MadeCertificate {
  pem: string;
  key: string;
  files: { certificate: string; key: string };
}

export type KeyKind = 'ec' | 'ed25519' | 'rsa' | 'rsa-1024';

const keyOptions: Record<KeyKind, string[]> = {
  ec: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ed25519: ['-algorithm', 'ED25519'],
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  'rsa-1024': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
};

/** Makes real keys and certificates with the openssl of this machine, in a folder of its own. */
export class Openssl {
  private readonly folder = mkdtempSync(join(tmpdir(), 'pgha-certificates-'));
  private count = 0;

  run(...args: string[]): void {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  path(): string {
    this.count += 1;
    return join(this.folder, String(this.count));
  }

  newKey(kind: KeyKind = 'ec'): { text: string; file: string } {
    const file = this.path();
    this.run('genpkey', ...keyOptions[kind], '-out', file);
    return { text: readFileSync(file, 'utf8'), file };
  }

  /** @param extensions as openssl's configuration has them, a line each */
  make(
    subject: string,
    extensions: readonly string[],
    {
      by,
      days = 365,
      kind = 'ec',
      key = this.newKey(kind),
    }: {
      by?: MadeCertificate | undefined;
      days?: number;
      kind?: KeyKind;
      key?: { text: string; file: string };
    } = {},
  ): MadeCertificate {
    const [request, extra, certificate] = [this.path(), this.path(), this.path()];
    writeFileSync(extra, `${extensions.join('\n')}\n`);
    this.run('req', '-new', '-key', key.file, '-subj', subject, '-out', request);
    const signer = by
      ? ['-CA', by.files.certificate, '-CAkey', by.files.key, '-CAcreateserial', '-CAserial', this.path()]
      : ['-signkey', key.file];
    this.run(
      ...['x509', '-req', '-in', request, '-days', String(days), '-extfile', extra],
      ...[...signer, '-out', certificate],
    );
    return {
      pem: readFileSync(certificate, 'utf8'),
      key: key.text,
      files: { certificate, key: key.file },
    };
  }

  authority(name: string, by?: MadeCertificate, days = 3650, key = this.newKey()): MadeCertificate {
    return this.make(`/O=Veza/CN=${name}`, ['basicConstraints=critical,CA:TRUE', 'keyUsage=keyCertSign'], {
      by,
      days,
      key,
    });
  }

  /** @param names as subjectAltName takes them: `DNS:a.incus,IP:10.0.0.1`; '' for none */
  server(
    by: MadeCertificate,
    names: string,
    options: { days?: number; kind?: KeyKind; more?: string[] } = {},
  ): MadeCertificate {
    return this.make(
      '/CN=pgaf',
      [
        'basicConstraints=CA:FALSE',
        ...(names ? [`subjectAltName=${names}`] : []),
        ...(options.more ?? ['extendedKeyUsage=serverAuth,clientAuth']),
      ],
      { by, ...options },
    );
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

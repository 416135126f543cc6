/** Certificates made by openssl, for tests. Without it the tests that need them say so in one loud line and pass, unless TORC_REQUIRE_OPENSSL=1. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
}

const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const;

export class Authority {
  private made = 0;

  private constructor(
    private readonly directory: string,
    /** Path of its own certificate. */
    readonly cert: string,
  ) {}

  /** Undefined when there is no openssl here. */
  static create(): Authority | undefined {
    const directory = mkdtempSync(join(tmpdir(), 'torc-certificates-'));
    const cert = join(directory, 'ca.pem');
    try {
      openssl(['req', '-x509', ...key, '-keyout', join(directory, 'ca.key'), '-out', cert, '-days', '2', '-subj', '/CN=authority']);
      return new Authority(directory, cert);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (!isMissing || process.env['TORC_REQUIRE_OPENSSL'] === '1') throw error;
      process.stderr.write('*** TLS IS NOT TESTED: there is no openssl here to make certificates ***\n');
      return undefined;
    }
  }

  /** `days` below 0: it has expired. */
  issue(name: string, days = 2): Certificate {
    const at = (suffix: string): string => join(this.directory, `${name}-${this.made}.${suffix}`);
    this.made++;
    const made = { cert: at('pem'), key: at('key') };
    openssl(['req', '-new', ...key, '-keyout', made.key, '-out', at('csr'), '-subj', `/CN=${name}`]);
    const signed = ['-CA', this.cert, '-CAkey', join(this.directory, 'ca.key'), '-CAcreateserial'];
    openssl(['x509', '-req', '-in', at('csr'), ...signed, '-out', made.cert, '-days', String(days)]);
    return made;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}

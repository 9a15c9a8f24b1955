import { isAbsolute, resolve } from 'node:path';
import { now, toSeconds } from '../clock/clock.ts';
import { withDeadline } from '../clock/deadline.ts';
import { InputError, messageOf } from '../contract/errors.ts';
import { readText } from '../disk/file.ts';
import { type Probe, secretNameIn } from '../formation/probes.ts';
import { brokenBy, LateAnswerError } from './broken.ts';
import { lookByCommand } from './command-look.ts';
import { lookByHttp } from './http-look.ts';
import { lookBySql } from './sql-look.ts';
import { parseSqlUri } from './sql-uri.ts';
import { lookByTcp } from './tcp-look.ts';

/** A probe with its secrets in their places: it can look. */
export interface ReadyProbe {
  probe: Probe;
  /** For people, and without a secret: what it asks. */
  shown: string;
  /** Looks once, under the probe's own time-out. @throws BrokenError, or the signal's reason */
  look(signal: AbortSignal): Promise<void>;
}

export interface ReadyOptions {
  /** Those that came by the input probe-secrets, by name. */
  secrets: ReadonlyMap<string, string>;
  /** What the paths of CA files are relative to. */
  folder: string;
}

type Look = (signal: AbortSignal) => Promise<void>;

const mostCaBytes = 1024 * 1024;

/**
 * Puts the secrets in their places and reads the CA files.
 * @throws InputError with everything that is wrong with any
 */
export function readyProbes(probes: readonly Probe[], options: ReadyOptions): ReadyProbe[] {
  const errors: string[] = [];
  const ready = probes.map((probe): ReadyProbe => {
    const parts = new Parts(probe.name, options, errors);
    const look = lookOf(probe, parts);
    const timeoutMs = probe.timeoutSeconds * 1000;
    return {
      probe,
      shown: shownTarget(probe),
      look: async (signal) => {
        try {
          const asked = now();
          await withDeadline(`an answer to the probe ${probe.name}`, timeoutMs, look, signal);
          demandInTime(probe, now() - asked);
        } catch (error) {
          signal.throwIfAborted();
          throw brokenBy(error, timeoutMs);
        }
      },
    };
  });
  if (errors.length > 0) throw new InputError(errors);
  return ready;
}

/** @throws LateAnswerError where a good answer came too late to be one */
function demandInTime({ asks }: Probe, tookMs: number): void {
  if (asks.kind !== 'http' || asks.withinSeconds === undefined) return;
  const limitMs = asks.withinSeconds * 1000;
  if (tookMs > limitMs)
    throw new LateAnswerError(
      `its answer took ${toSeconds(tookMs)} s, and may take ${asks.withinSeconds} s`,
      limitMs,
    );
}

/** What a probe is made of, as far as it can be had; what cannot is told with everything else. */
class Parts {
  private readonly name: string;
  private readonly options: ReadyOptions;
  private readonly errors: string[];

  constructor(name: string, options: ReadyOptions, errors: string[]) {
    this.name = name;
    this.options = options;
    this.errors = errors;
  }

  /** A text, or the secret that it names. '' where there is none. */
  text(given: string): string {
    const secret = secretNameIn(given);
    if (secret === undefined) return given;
    const found = this.options.secrets.get(secret);
    if (found === undefined)
      this.errors.push(`probe ${this.name}: the input probe-secrets has no ${secret}, which it needs`);
    return found ?? '';
  }

  /** What is made of a text; undefined where it cannot be. @param make throws an Error that says why, to follow its name */
  made<T>(given: string, make: (text: string) => T): T | undefined {
    const text = this.text(given);
    // That it is missing is told already.
    if (text === '' && secretNameIn(given) !== undefined) return undefined;
    try {
      return make(text);
    } catch (error) {
      const secret = secretNameIn(given);
      const which = secret === undefined ? 'its address' : `the secret ${secret}`;
      this.errors.push(`probe ${this.name}: ${which} ${messageOf(error)}`);
      return undefined;
    }
  }

  /** The PEM in a file. */
  ca(path: string | undefined): string | undefined {
    if (path === undefined) return undefined;
    try {
      const text = readText(isAbsolute(path) ? path : resolve(this.options.folder, path), mostCaBytes);
      if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
      this.errors.push(`probe ${this.name}: the CA file ${path} holds no certificate (PEM)`);
    } catch (error) {
      this.errors.push(`probe ${this.name}: the CA file ${path} cannot be read: ${messageOf(error)}`);
    }
    return undefined;
  }
}

/** All parts are looked at, so that all errors are told; a look whose parts are missing is never taken. */
function lookOf({ asks, timeoutSeconds }: Probe, parts: Parts): Look {
  switch (asks.kind) {
    case 'http': {
      const url = parts.made(asks.url, httpUrl);
      const headers = Object.fromEntries(
        Object.entries(asks.headers).map(([name, value]) => [name, parts.made(value, headerValue) ?? '']),
      );
      const ca = parts.ca(asks.ca);
      return url === undefined ? never : (signal) => lookByHttp(asks, { url, headers, ca }, signal);
    }
    case 'tcp':
      return (signal) => lookByTcp(asks, signal);
    case 'sql': {
      const target = parts.made(asks.uri, parseSqlUri);
      const password = asks.password === undefined ? undefined : parts.text(asks.password);
      const ca = parts.ca(asks.ca);
      if (target === undefined) return never;
      const login = {
        ...target,
        ca,
        timeoutMs: timeoutSeconds * 1000,
        ...(password !== undefined && { password }),
      };
      return (signal) => lookBySql(asks, login, signal);
    }
    case 'command': {
      const stdin = asks.stdin === undefined ? undefined : parts.text(asks.stdin);
      return (signal) => lookByCommand(asks, { stdin, timeoutMs: timeoutSeconds * 1000 }, signal);
    }
  }
}

const never: Look = () => Promise.reject(new Error('the probe is not whole'));

function httpUrl(text: string): URL {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) throw new Error('must be an http or https URL');
  return new URL(text);
}

function headerValue(text: string): string {
  if (!/^[\t -~]*$/.test(text)) throw new Error('must be printable ASCII on one line, as headers are');
  return text;
}

/** Of a connection string and a URL no more than what is in the file; a secret by its name. */
function shownTarget({ asks }: Probe): string {
  switch (asks.kind) {
    case 'http':
      return `${asks.method} ${asks.url}`;
    case 'tcp':
      return `tcp ${asks.host}:${asks.port}`;
    case 'sql':
      return `SQL at ${asks.uri}`;
    case 'command':
      return `command ${asks.argv[0]}`;
  }
}

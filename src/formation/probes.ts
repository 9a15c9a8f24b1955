/** What a user's own service must answer while the formation is drilled: plain data, as the formation file has it. */
export interface Probe {
  name: string;
  /** From one look to the next, as far as the answer to the first has come by then. */
  intervalSeconds: number;
  /** For the whole answer. */
  timeoutSeconds: number;
  /** How long it may stay broken during a fault; a drill undoes the fault at once where it is longer. Undefined: at will. */
  abortSeconds?: number | undefined;
  asks: ProbeKind;
}

export type ProbeKind = HttpProbe | TcpProbe | SqlProbe | CommandProbe;

export interface HttpProbe {
  kind: 'http';
  /** It may be the name of a secret, as the values of headers may be: see `secretNameIn`. */
  url: string;
  method: 'GET' | 'HEAD' | 'POST';
  headers: Readonly<Record<string, string>>;
  /** Those that are good; empty: any of 200 to 299. */
  status: readonly number[];
  /** What the answer's body must contain. */
  body?: string | undefined;
  /** By when the whole answer must have come. */
  withinSeconds?: number | undefined;
  /** A file with the certificates that the server's is verified by, in place of those that Node knows. */
  ca?: string | undefined;
  verify: boolean;
}

export interface TcpProbe {
  kind: 'tcp';
  host: string;
  port: number;
}

export interface SqlProbe {
  kind: 'sql';
  /** A connection string; it may be the name of a secret. */
  uri: string;
  /** The name of a secret, which takes the place of a password in the connection string. */
  password?: string | undefined;
  query: string;
  /** How many rows must come of it, or which; undefined: whatever comes. */
  rows?: number | readonly (readonly SqlValue[])[] | undefined;
  /** As for HTTP; where the connection string asks for the server to be verified. */
  ca?: string | undefined;
}

export type SqlValue = string | number | boolean | null;

export interface CommandProbe {
  kind: 'command';
  argv: readonly string[];
  /** The name of a secret, which the command reads from its standard input. */
  stdin?: string | undefined;
}

/** How the file names a secret that comes by an input. */
export const secretPattern = /^secret:([A-Za-z0-9][A-Za-z0-9._-]{0,62})$/;

/** The name of the secret that stands for a text; undefined where the text stands for itself. */
export const secretNameIn = (text: string): string | undefined => secretPattern.exec(text)?.[1];

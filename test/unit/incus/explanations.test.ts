import { describe, expect, it } from 'vitest';
import { CommandError, messageOf } from '../../../src/contract/errors.ts';
import { explainImageServer, explainSurroundings } from '../../../src/incus/explanations.ts';

/** What Incus 6.0.4 said in the lab. */

const failed = (subcommand: string, stderr: string) =>
  new CommandError(['incus', subcommand], 'failed with exit code 1', stderr);
const told = (stderr: string, { subcommand = 'query', remote = 'local' } = {}) =>
  messageOf(explainSurroundings(failed(subcommand, stderr), remote));

describe('who keeps us from Incus', () => {
  it.each<[string, string, RegExp]>([
    [
      'the socket of this machine',
      "Error: You don't have the needed permissions to talk to the incus daemon (socket path: /run/incus/unix.socket)",
      /^this user may not talk to the Incus daemon .*group incus, .*restricted project/,
    ],
    [
      'a daemon that does not run',
      "Error: The incus daemon doesn't appear to be started (socket path: /run/incus/unix.socket)",
      /^the Incus daemon does not answer; start it/,
    ],
    [
      'a remote that does not answer',
      'Error: Get "https://127.0.0.1:1/1.0": Unable to connect to: 127.0.0.1:1 ([dial tcp 127.0.0.1:1: connect: connection refused])',
      /^the Incus server of the remote far does not answer; check its address/,
    ],
    [
      'a member that the remote needs for what is on it',
      'Error: Get "https://10.77.7.12:8443/1.0/instances/pgaf-primary": Unable to connect to: 10.77.7.12:8443 ([dial tcp 10.77.7.12:8443: i/o timeout])',
      /^the Incus server at 10\.77\.7\.12:8443 does not answer, and the remote far needs it .*incus cluster list far:/,
    ],
    [
      'a remote that is no Incus',
      'Error: Get "https://127.0.0.1:8403/1.0": tls: first record does not look like a TLS handshake',
      /^the Incus server of the remote far has a certificate/,
    ],
    [
      'a remote that does not know us',
      'Error: not authorized',
      /^the Incus server of the remote far does not know/,
    ],
  ])('is %s', (_, stderr, expected) => {
    const said = told(stderr, { remote: 'far' });
    expect(said).toMatch(expected);
    expect(said).toContain(stderr);
  });

  it.each([
    'Error: Failed instance creation: Failed creating instance record: Network "incusbr1" is forbidden in this project',
    'Error: Failed to start device "eth0": permission denied',
    'Error: Failed getting image: Failed parsing stream: Unable to fetch http://127.0.0.1/streams/v1/index.json: 403 Forbidden',
    'Error: Failed remote image download: Get "https://images.example.org/x": connect: connection refused',
    'Error: Failed creating volume: mkdir /var/lib/incus/x: permission denied',
  ])('is not guessed where Incus answered: %s', (stderr) => {
    const said = told(stderr);
    expect(said).toBe(`\`incus query\` failed with exit code 1: ${stderr}`);
  });

  it('never is what a command in a container said', () => {
    const stderr = 'dial unix /run/x.socket: connect: permission denied';
    expect(told(stderr, { subcommand: 'exec' })).not.toMatch(/may not talk/);
  });
});

describe('an image that is not available', () => {
  const stream = 'Error: Failed getting image: Failed parsing stream: ';
  it.each<[string, string, RegExp]>([
    [
      'a server that does not answer',
      `${stream}Get "https://127.0.0.1:1/streams/v1/index.json": Unable to connect to: 127.0.0.1:1 ([dial tcp 127.0.0.1:1: connect: connection refused])`,
      /the image server of the remote images does not answer/,
    ],
    [
      'no such name',
      `${stream}Get "https://images.nowhere.invalid/streams/v1/index.json": lookup images.nowhere.invalid on 10.255.255.53:53: no such host`,
      /the image server of the remote images does not answer/,
    ],
    [
      'a refusal',
      `${stream}Unable to fetch http://127.0.0.1:8403/streams/v1/index.json: 403 Forbidden`,
      /the image server of the remote images refuses to hand it out \(HTTP 403\).*no permission on Incus helps/,
    ],
    [
      'an address that is no image server',
      `${stream}Unable to fetch http://127.0.0.1:8404/streams/v1/index.json: 404 Not Found`,
      /has no such file \(HTTP 404\)/,
    ],
    [
      'a proxy that asks for a login',
      `${stream}Unable to fetch http://127.0.0.1:8403/streams/v1/index.json: 407 Proxy Authentication Required`,
      /a proxy .* asks for a login/,
    ],
    [
      'a server with an error of its own',
      `${stream}Unable to fetch http://127.0.0.1:8403/streams/v1/index.json: 502 Bad Gateway`,
      /reports an internal error \(HTTP 502\)/,
    ],
    [
      'a certificate of somebody else',
      `${stream}Get "https://127.0.0.1:8443/streams/v1/index.json": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
      /has a certificate that is not accepted/,
    ],
    [
      'a server that the Incus server does not reach',
      'Error: Failed instance creation: Failed getting remote image info: Failed getting image: Failed parsing stream: Get "https://127.0.0.1:1/streams/v1/index.json": dial tcp 127.0.0.1:1: connect: connection refused',
      /the image server of the remote images does not answer/,
    ],
    ['no such remote', 'Error: The remote "images" doesn\'t exist', /images is not a remote of this user/],
  ])('names %s', (_, stderr, expected) => {
    const said = messageOf(explainImageServer(failed('launch', stderr), 'images:debian/12'));
    expect(said).toMatch(/^image: images:debian\/12 is not available: /);
    expect(said).toMatch(expected);
    expect(said).toContain(stderr);
    expect(said).not.toMatch(/incus-admin|Incus daemon|systemctl/);
  });

  it("is left to others where the server has no such image, or our own daemon's socket is at fault", () => {
    for (const stderr of [
      "Error: Failed getting image: The requested image couldn't be found",
      "Error: The incus daemon doesn't appear to be started (socket path: /run/incus/unix.socket)",
    ])
      expect(explainImageServer(failed('launch', stderr), 'images:debian/12')).toBeUndefined();
  });
});

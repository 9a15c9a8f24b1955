import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '../lab/harness.ts';

/** A webhook on the loopback, which keeps what it is sent. */
export class Webhook {
  readonly messages: string[] = [];
  private server: Server | undefined;

  /** @returns its address, which is secret as a webhook's is */
  async open(): Promise<string> {
    this.server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        this.messages.push(body);
        response.end();
      });
    });
    await new Promise<void>((listening) => this.server?.listen(0, '127.0.0.1', listening));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/alert-S3cret-path`;
  }

  /** Waits for a message; returns it. */
  async hears(wanted: RegExp, deadlineMs: number): Promise<string> {
    let heard: string | undefined;
    await eventually(`the webhook to hear ${wanted}`, deadlineMs, async () => {
      heard = this.messages.find((message) => wanted.test(message));
      return heard !== undefined;
    });
    return heard ?? '';
  }

  close(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }
}

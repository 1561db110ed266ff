import type { Command, Redis } from 'ioredis';

/** What ioredis writes a command to, where it is part of a pipeline. */
export type Stream = Parameters<Redis['sendCommand']>[1];

/**
 * The stream of a pipeline counts what is written to it, and sends when it has all. What follows another command is
 * counted whenever that is written.
 */
export function countFollowers(leader: Command, followers: number, stream: Stream): void {
  const write = leader.toWritable;
  leader.toWritable = function (this: Command, socket: object) {
    for (let number = 0; number < followers; number++) stream?.write('');
    return hasBytes(this) ? write.call(this, socket) : bytesOf(this);
  };
}

/** What ioredis notes of a command with a Buffer in it. */
export function hasBytes(command: Command): boolean {
  return Reflect.get(command, 'bufferMode') === true;
}

export function noteBytes(command: Command): void {
  Reflect.set(command, 'bufferMode', true);
}

/** As ioredis writes a command. Long ones are put together at once, which spares their many parts. */
function bytesOf({ name, args }: Command): string {
  const parts = [`*${args.length + 1}\r\n$${Buffer.byteLength(name)}\r\n${name}`];
  for (const word of args as readonly string[]) parts.push(`$${Buffer.byteLength(word)}\r\n${word}`);
  return `${parts.join('\r\n')}\r\n`;
}

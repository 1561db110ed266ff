import { isDeepStrictEqual } from 'node:util';
import type { MilvusClient } from '@zilliz/milvus2-sdk-node';

/** As the client has loaded them from its own `.proto` files. */
type Methods = Readonly<Record<string, Method | undefined>>;
interface Method {
  readonly path: string;
  readonly requestSerialize: (request: object) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => object;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

/** Calls past the methods of the official client, on its own channels. */
export interface Wire {
  /** True where these bytes say what the client would say of this request. False, too, where it has no such call. */
  says(method: string, bytes: Buffer, request: object): boolean;
  /** Sends a request that is encoded already. When that time is over it has ended, or is not sent. */
  sendBytes(method: string, request: Buffer, withinMs: number): Promise<object>;
  send(method: string, request: object, withinMs: number): Promise<object>;
}

/**
 * A request in the hands of the client's interceptors, which add login, database and time to the call and write each
 * request into a log line: of one that shows nothing, they make `{}`; of its bytes, they would make megabytes of text.
 */
class EncodedRequest {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static serialise(request: EncodedRequest): Buffer {
    return request.#bytes;
  }
}

/**
 * The client's channels come from its pool, with its credentials and interceptors, and answers are decoded by the types
 * that it has loaded. An answer is what the client's own method would have got, UNIMPLEMENTED as an empty one included.
 *
 * A deadline begins when the call is asked for. The client's own methods count it from when the pool has given them a channel, and the pool
 * lets them wait for as long as its ten are taken by calls that hang.
 */
export function wireOf(client: MilvusClient): Wire {
  const methods = methodsOf(client);
  const call = async <T extends object>(
    name: string,
    request: T,
    withinMs: number,
    serialise?: (request: T) => Buffer,
  ): Promise<object> => {
    const method = methods[name];
    if (method === undefined) throw new Error(`the client knows no ${name}`);
    const endMs = performance.now() + withinMs;
    const service = await client.channelPool.acquire();
    try {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new Error(`${name} timed out waiting for a channel`);
      return await new Promise<object>((resolve, reject) => {
        service.makeUnaryRequest(
          method.path,
          serialise ?? method.requestSerialize,
          method.responseDeserialize,
          request,
          { deadline: new Date(Date.now() + leftMs) },
          (error: unknown, answer?: object) => (error ? reject(error) : resolve(answer ?? {})),
        );
      });
    } finally {
      await client.channelPool.release(service);
    }
  };
  return {
    says: (name, bytes, request) => {
      const method = methods[name];
      if (method === undefined) return false;
      const theirs = method.requestDeserialize(method.requestSerialize(request));
      return isDeepStrictEqual(method.requestDeserialize(bytes), theirs);
    },
    sendBytes: (method, request, withinMs) =>
      call(method, new EncodedRequest(request), withinMs, EncodedRequest.serialise),
    send: (method, request, withinMs) => call(method, request, withinMs),
  };
}

function methodsOf(client: MilvusClient): Methods {
  const { _MilvusService } = client as unknown as {
    readonly _MilvusService?: { readonly service?: Methods };
  };
  return _MilvusService?.service ?? {};
}

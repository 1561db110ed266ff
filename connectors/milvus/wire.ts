import { isDeepStrictEqual } from 'node:util';
import type { MilvusClient } from '@zilliz/milvus2-sdk-node';

type ServiceClient = Awaited<ReturnType<MilvusClient['channelPool']['acquire']>>;
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
  says(method: string, bytes: Buffer, request: object): Promise<boolean>;
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
 */
export function wireOf(client: MilvusClient): Wire {
  const withService = async <T>(work: (service: ServiceClient) => Promise<T>): Promise<T> => {
    const service = await client.channelPool.acquire();
    try {
      return await work(service);
    } finally {
      await client.channelPool.release(service);
    }
  };
  const call = <T extends object>(
    name: string,
    request: T,
    withinMs: number,
    serialise?: (request: T) => Buffer,
  ) => {
    // From now, and not from when there is a channel.
    const deadline = new Date(Date.now() + withinMs);
    return withService((service) => {
      const method = methodsOf(service)[name];
      if (method === undefined) throw new Error(`the client knows no ${name}`);
      const { path, requestSerialize, responseDeserialize } = method;
      return new Promise<object>((resolve, reject) => {
        service.makeUnaryRequest(
          path,
          serialise ?? requestSerialize,
          responseDeserialize,
          request,
          { deadline },
          (error: unknown, answer?: object) => (error ? reject(error) : resolve(answer ?? {})),
        );
      });
    });
  };
  return {
    says: (name, bytes, request) =>
      withService(async (service) => {
        const method = methodsOf(service)[name];
        if (method === undefined) return false;
        const theirs = method.requestDeserialize(method.requestSerialize(request));
        return isDeepStrictEqual(method.requestDeserialize(bytes), theirs);
      }),
    sendBytes: (method, request, withinMs) =>
      call(method, new EncodedRequest(request), withinMs, EncodedRequest.serialise),
    send: (method, request, withinMs) => call(method, request, withinMs),
  };
}

function methodsOf(service: ServiceClient): Methods {
  const { service: methods } = service.constructor as unknown as { readonly service?: Methods };
  return typeof service.makeUnaryRequest === 'function' && methods !== undefined ? methods : {};
}

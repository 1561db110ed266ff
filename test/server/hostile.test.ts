import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { agentChange, startServer, type TestServer } from './support.ts';

const change = (entity: string): string => `{"kind":"agent","op":"upsert","entity":${entity}}`;
const entity = (attributes: string): string =>
  `{"id":"a","type":"t","active":true,"attributes":${attributes}}`;

describe('a hostile body', () => {
  const refused: readonly (readonly [
    name: string,
    body: string | Uint8Array,
    status: number,
    words: RegExp,
  ])[] = [
    ['empty', '', 400, /no body/],
    ['no JSON', '{"kind":', 400, /not JSON/],
    ['NaN', change(entity('{"x":NaN}')), 400, /not JSON/],
    ['no UTF-8', Uint8Array.from([0x22, 0xc3, 0x28, 0x22]), 400, /not UTF-8/],
    ['an overlong UTF-8 form', Uint8Array.from([0x22, 0xc0, 0xaf, 0x22]), 400, /not UTF-8/],
    ['nested a million deep', '['.repeat(1_000_000), 400, /nested deeper/],
    [
      'nested inside an attribute',
      change(entity(`{"x":${'['.repeat(500)}${']'.repeat(500)}}`)),
      400,
      /deeper/,
    ],
    ['a number', '7', 400, /must be a change/],
    ['null', 'null', 400, /must be a change/],
    ['changes that are none', '{"changes":7}', 400, /changes: must be an array/],
    ['a field beside changes', '{"changes":[],"other":1}', 400, /other: there is no such field/],
    ['changes twice', '{"changes":[],"changes":[]}', 400, /changes: the field stands twice/],
    ['__proto__ at the top', '{"changes":[],"__proto__":{"kind":"agent"}}', 400, /__proto__/],
    ['__proto__ as an attribute', change(entity('{"__proto__":1}')), 422, /^entity\.attributes\.__proto__: /],
    [
      '__proto__ in an entity',
      change('{"id":"a","type":"t","active":true,"__proto__":{"attributes":{}}}'),
      422,
      /__proto__/,
    ],
    ['an escaped __proto__', change(entity('{"\\u005f_proto__":1}')), 422, /__proto__/],
    ['a field twice', change(entity('{"x":1,"x":2}')), 422, /^entity\.attributes\.x: the field stands twice/],
    ['a key twice', change('{"id":"a","id":"b","type":"t","active":true}'), 422, /^entity\.id: .*twice/],
    [
      'a number beyond doubles',
      change(entity('{"x":1e999}')),
      422,
      /^entity\.attributes\.x: no 64-bit number is 1e999/,
    ],
    ['a number that would be rounded', change(entity('{"x":9007199254740993}')), 422, /x: no 64-bit number/],
    ['a number that would vanish', change(entity('{"x":1e-999}')), 422, /x: no 64-bit number/],
    ['a thousand digits', change(entity(`{"x":${'9'.repeat(1_000)}}`)), 422, /x: no 64-bit number/],
    ['half a surrogate pair', change(entity('{"x":"\\ud800"}')), 422, /surrogate/],
    ['NUL', change(entity('{"x":"\\u0000"}')), 422, /NUL/],
    ['an object as an attribute', change(entity('{"x":{"y":1}}')), 422, /^entity\.attributes\.x: /],
    ['an array as the entity', change('[]'), 422, /^entity: /],
    ['constructor as a kind', '{"kind":"constructor","op":"upsert","entity":{}}', 422, /^kind: /],
    ['toString as an op', '{"kind":"agent","op":"toString","entity":{}}', 422, /^op: /],
  ];
  for (const [name, body, status, words] of refused) {
    it(`(${name}) is refused with ${status} and clear words`, async (t) => {
      const server = await startServer(t);
      const reply = await server.post(body);
      assert.equal(reply.status, status, reply.text);
      assert.match(reply.json.detail ?? reply.json.results[0]?.reason ?? '', words);
      assert.equal(server.outbox.items.length, 0);
      await assertAlive(server);
    });
  }

  it('costs only its own item in a batch, with what is wrong in it', async (t) => {
    const server = await startServer(t);
    const good = change('{"id":"g","type":"t","active":true}');
    for (const body of [
      `[${good},${change(entity('{"x":1,"x":2}'))},${good}]`,
      `{"changes":[${good},${change(entity('{"x":1e999}'))},${good}]}`,
    ]) {
      const { status, json } = await server.post(body);
      assert.equal(status, 207);
      assert.deepEqual(
        json.results.map((result) => result.status),
        ['accepted', 'rejected', 'accepted'],
      );
      assert.match(json.results[1]?.reason ?? '', /^entity\.attributes\.x: /);
    }
  });

  it('with attributes named as JavaScript names its own things arrives as it is', async (t) => {
    const server = await startServer(t);
    const attributes = '{"constructor":1,"prototype":"p","toString":true,"hasOwnProperty":2,"":"empty"}';
    assert.equal((await server.post(change(entity(attributes)))).status, 202);
    const [item] = server.outbox.items;
    assert.ok(item !== undefined && 'entry' in item);
    const after = item.entry.change.after as { attributes: object };
    assert.equal(JSON.stringify(after.attributes), attributes);
  });

  it('keeps the numbers that doubles hold: shortest texts, denormals, −0', async (t) => {
    const server = await startServer(t);
    const attributes =
      '{"a":277981566690856500,"b":5e-324,"c":-0,"d":1.7976931348623157e308,"e":0.1000000000000000055}';
    assert.equal((await server.post(change(entity(attributes)))).status, 202);
    const [item] = server.outbox.items;
    assert.ok(item !== undefined && 'entry' in item);
    const { attributes: held } = item.entry.change.after as { attributes: Record<string, number> };
    assert.deepEqual(Object.values(held), [277981566690856500, 5e-324, -0, Number.MAX_VALUE, 0.1]);
  });
});

describe('a request in another form', () => {
  it('of another media type, charset or encoding is refused with 415', async (t) => {
    const server = await startServer(t);
    for (const headers of [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/xml' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': 'multipart/form-data; boundary=x' },
      { 'content-type': 'application/json; charset=iso-8859-1' },
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    ]) {
      const { status, json } = await server.post(agentChange('a'), headers);
      assert.equal(status, 415, JSON.stringify(headers));
      assert.equal(json.title, 'Media type not taken');
    }
    const none = await fetch(`${server.address}/v1/changes`, { method: 'POST' });
    assert.equal(none.status, 415);
  });

  it('of another method or path is refused with 405 and 404', async (t) => {
    const server = await startServer(t);
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      const { status, headers } = await fetch(`${server.address}/v1/changes`, { method });
      assert.deepEqual([status, headers.get('allow')], [405, 'POST']);
    }
    assert.equal((await server.get('/v1/nothing')).status, 404);
    assert.equal((await server.get('/..%2f..%2fetc/passwd')).status, 404);
  });

  it('with an address that is none, or a head that is no HTTP, gets 400 and costs nothing', async (t) => {
    const server = await startServer(t);
    assert.equal((await server.get('/%c0%ae')).status, 400);
    assert.match(await raw(server, 'NONSENSE\r\n\r\n'), /^HTTP\/1\.1 400 /);
    const twoLengths =
      'POST /v1/changes HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}';
    assert.match(await raw(server, twoLengths), /^HTTP\/1\.1 400 /);
    const headers = `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`;
    assert.match(await raw(server, headers), /^HTTP\/1\.1 4\d\d /);
    await assertAlive(server);
  });
});

/** What the server answers to these bytes, until it closes the connection. */
function raw(server: TestServer, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(server.address).port), '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (data) => {
      text += data.toString();
    });
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
  });
}

async function assertAlive(server: TestServer): Promise<void> {
  assert.equal((await server.get('/healthz')).text, 'ok\n');
}

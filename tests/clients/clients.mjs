// Clients of Node against the gateway, npm's `ws` and `eventsource`: node --test clients.mjs

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { EventSource } from 'eventsource'
import { WebSocket } from 'ws'
import { startCable } from '../browser/front.mjs'
import { startGateway } from '../browser/gateway.mjs'
import { Inbox } from '../browser/inbox.mjs'

const LIMIT = { timeout: 60_000 }
const numbers = (count, from = 0) => Array.from({ length: count }, (_, n) => n + from)

let gateway

before(async () => {
  gateway = await startGateway(await readFile(new URL('pushgate.toml', import.meta.url), 'utf8'))
})

after(async () => assert.equal(await gateway.stop(), 0))

/** An open socket, and what comes to it: texts and bytes. */
async function open(t, path, protocols = [], options = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}${path}`, protocols, options)
  t.after(() => socket.terminate())
  const inbox = new Inbox()
  socket.on('message', (data, binary) => inbox.put(binary ? [...data] : data.toString()))
  await once(socket, 'open')
  return [socket, inbox]
}

// --- ws

test('ws gets texts and bytes in order', LIMIT, async (t) => {
  const [, inbox] = await open(t, '/listen/?cid=ws-order')
  for (const n of numbers(50)) {
    await gateway.publish('ws-order', `message ${n}, Grüße`)
    await gateway.publish('ws-order', Buffer.from([n, 255, 0]), { 'Content-Type': 'application/octet-stream' })
  }
  const expected = numbers(50).flatMap((n) => [`message ${n}, Grüße`, [n, 255, 0]])
  assert.deepEqual(await inbox.until(100), expected)
})

test('ws resumes with the id of a message', LIMIT, async (t) => {
  for (const n of numbers(10)) await gateway.publish('ws-resume', String(n))
  const [socket, inbox] = await open(t, '/listen/?cid=ws-resume', ['ws+meta.nchan'])
  assert.equal(socket.protocol, 'ws+meta.nchan')
  const [id] = (await inbox.until(4))[3].match(/(?<=^id: )\d+:\d+(?=\n)/)
  const [, resumed] = await open(t, `/listen/?cid=ws-resume&last_event_id=${id}`)
  assert.deepEqual(await resumed.until(6), ['4', '5', '6', '7', '8', '9'])
})

test('ws loses and doubles nothing when it is cut off and resumes', LIMIT, async (t) => {
  const cable = await startCable(gateway.port)
  t.after(cable.stop)
  const got = new Inbox()
  let id = ''
  const follow = () => {
    const socket = new WebSocket(`${cable.url}/listen/?cid=ws-cut&last_event_id=${id}`, ['ws+meta.nchan'])
    socket.on('message', (data) => {
      const [head, text] = data.toString().split('\n\n')
      id = head.match(/^id: (\S+)/)[1]
      got.put(text)
    })
    socket.on('error', () => {})
    socket.on('close', follow)
    t.after(() => socket.removeAllListeners('close').terminate())
  }
  follow()
  for (const cut of [cable.cut, () => cable.cutAfter(1000), () => cable.cutAfter(777)]) {
    const sent = got.items.length
    for (const n of numbers(50, sent)) await gateway.publish('ws-cut', String(n))
    cut()
    for (const n of numbers(150, sent + 50)) await gateway.publish('ws-cut', String(n))
    await got.until(sent + 200)
  }
  assert.deepEqual(got.items, numbers(600).map(String))
  assert.equal(cable.cuts, 3)
})

test('ws has its pings answered', LIMIT, async (t) => {
  const [socket] = await open(t, '/listen/?cid=ws-ping')
  for (const payload of ['', 'one', 'x'.repeat(125)]) {
    socket.ping(payload)
    const [answer] = await once(socket, 'pong')
    assert.equal(answer.toString(), payload)
  }
})

test('ws is closed with the code that it sent, or that says why', LIMIT, async (t) => {
  const [socket] = await open(t, '/listen/?cid=ws-close')
  socket.close(4321, 'enough')
  assert.equal((await once(socket, 'close'))[0], 4321)

  const [large] = await open(t, '/echo')
  large.send(Buffer.alloc((256 << 10) + 1))
  assert.equal((await once(large, 'close'))[0], 1009)
})

for (const perMessageDeflate of [{ threshold: 0 }, false]) {
  test(`ws gets its own messages back, ${perMessageDeflate ? 'compressed' : 'as they are'}`, LIMIT, async (t) => {
    const [socket, inbox] = await open(t, '/echo', ['chat', 'superchat'], { perMessageDeflate })
    assert.equal(socket.protocol, 'chat')
    assert.equal(socket.extensions, perMessageDeflate ? 'permessage-deflate' : '')
    const sent = ['', 'short', ...numbers(100).map((n) => 'again and again '.repeat(n)), numbers(256)]
    for (const message of sent) socket.send(typeof message === 'string' ? message : Buffer.from(message))
    assert.deepEqual(await inbox.until(sent.length), sent)
  })
}

test('ws sends fragments, which are one message', LIMIT, async (t) => {
  const [socket, inbox] = await open(t, '/echo')
  const fragments = ['a', '', 'ü', '世界', 'x'.repeat(70_000)]
  for (const [n, fragment] of fragments.entries()) socket.send(fragment, { fin: n === fragments.length - 1 })
  socket.ping()
  socket.send('after')
  assert.deepEqual(await inbox.until(2), [fragments.join(''), 'after'])
})

// --- eventsource

test('eventsource gets messages and named events, and resumes where it was cut off', LIMIT, async (t) => {
  const cable = await startCable(gateway.port)
  t.after(cable.stop)
  const events = new EventSource(`${cable.url}/listen/?cid=eventsource`)
  t.after(() => events.close())
  const got = new Inbox()
  events.addEventListener('message', ({ data }) => got.put(data))
  events.addEventListener('price', ({ data }) => got.put(`price: ${data}`))

  await gateway.publish('eventsource', 'one\n\ntwo')
  await gateway.publish('eventsource', '42', { 'X-EventSource-Event': 'price' })
  assert.deepEqual(await got.until(2), ['one\n\ntwo', 'price: 42'])

  for (const cut of [cable.cut, () => cable.cutAfter(1000)]) {
    const sent = got.items.length
    for (const n of numbers(50, sent)) await gateway.publish('eventsource', String(n))
    cut()
    for (const n of numbers(150, sent + 50)) await gateway.publish('eventsource', String(n))
    await got.until(sent + 200)
  }
  assert.deepEqual(got.items.slice(2), numbers(400, 2).map(String))
  assert.equal(cable.cuts, 2)
})

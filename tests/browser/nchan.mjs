// NchanSubscriber.js, the client of Nchan, as it is published.

import assert from 'node:assert/strict'
import { startCable } from './front.mjs'
import { numbers, open } from './tab.mjs'

const page = (url, transport, reconnect = '') =>
  `/nchan.html?${new URLSearchParams({ url, transport, reconnect })}`

/** A client that is cut off three times, anywhere in a message, gets everything once and in order. */
async function through_cuts(t, transport, cid = `nchan-${transport}`) {
  const cable = await startCable(new URL(t.front.origin).port)
  t.after(cable.stop)
  const there = { ...t, front: { origin: cable.url } }
  await follow(t, transport, cable, cid, await open(there, page(`/nchan/?cid=${cid}`, transport), ['handled', 'told']))
}

/** The same from a page of another origin. */
async function through_cuts_elsewhere(t, transport, cid = `nchan-elsewhere-${transport}`) {
  const cable = await startCable(t.gateway.port)
  t.after(cable.stop)
  const url = `${cable.url}/nchan/?cid=${cid}`
  await follow(t, transport, cable, cid, await open(t, page(url, transport), ['handled', 'told']))
}

async function follow(t, transport, cable, cid, [, handled, told]) {
  assert.deepEqual(await told.until(1), ['connect'])
  let sent = 0
  const publish = async (count) => {
    for (const n of numbers(count, sent)) await t.gateway.publish(cid, `message ${n}`)
    sent += count
  }
  await publish(1)
  await handled.until(1)
  // The head of an answer is not cut: browsers take it as it is, wherever it ends.
  const within = (n) => transport === 'websocket' ? () => cable.cutAfter(n) : () => cable.cutIn(`message ${sent + n}`)
  for (const cut of [cable.cut, within(20), within(120)]) {
    const before = cable.cuts
    await publish(50)
    cut()
    await publish(150)
    await handled.until(sent)
    // A browser asks again by itself where a connection that it used before ends without an answer, so this page is not
    // always told.
    assert.equal(cable.cuts, before + 1)
  }
  await publish(1)
  const got = await handled.until(sent)
  assert.deepEqual(got.map(({ message }) => message), numbers(sent).map((n) => `message ${n}`))
  const ids = got.map(({ id }) => id)
  assert.equal(new Set(ids).size, sent, 'each has an id of its own')
}

export async function nchan_subscriber_by_websocket_loses_and_doubles_nothing_through_cuts(t) {
  await through_cuts(t, 'websocket')
}

export async function nchan_subscriber_by_eventsource_loses_and_doubles_nothing_through_cuts(t) {
  await through_cuts(t, 'eventsource')
}

export async function nchan_subscriber_by_longpoll_loses_and_doubles_nothing_through_cuts(t) {
  await through_cuts(t, 'longpoll')
}

export async function nchan_subscriber_by_websocket_from_another_origin_loses_and_doubles_nothing_through_cuts(t) {
  await through_cuts_elsewhere(t, 'websocket')
}

export async function nchan_subscriber_by_eventsource_from_another_origin_loses_and_doubles_nothing_through_cuts(t) {
  await through_cuts_elsewhere(t, 'eventsource')
}

export async function nchan_subscriber_by_longpoll_from_another_origin_loses_and_doubles_nothing_through_cuts(t) {
  await through_cuts_elsewhere(t, 'longpoll')
}

/** A page that is loaded again goes on where it was, as the browser keeps the id for it. */
async function through_reloads(t, transport) {
  const cid = `nchan-reload-${transport}`
  const [tab, handled, told] = await open(t, page(`/nchan/?cid=${cid}`, transport, 'session'), ['handled', 'told'])
  await told.until(1)
  for (const round of [0, 1, 2]) {
    for (const n of numbers(10, round * 20)) await t.gateway.publish(cid, `message ${n}`)
    await handled.until(round * 20 + 10)
    await tab.goto(`${t.front.origin}/blank.html`)
    for (const n of numbers(10, round * 20 + 10)) await t.gateway.publish(cid, `message ${n}`)
    await tab.goBack()
    await handled.until(round * 20 + 20)
  }
  assert.deepEqual(handled.items.map(({ message }) => message), numbers(60).map((n) => `message ${n}`))
}

export async function nchan_subscriber_by_websocket_goes_on_after_a_reload(t) {
  await through_reloads(t, 'websocket')
}

export async function nchan_subscriber_by_eventsource_goes_on_after_a_reload(t) {
  await through_reloads(t, 'eventsource')
}

export async function nchan_subscriber_by_longpoll_goes_on_after_a_reload(t) {
  await through_reloads(t, 'longpoll')
}

export async function nchan_subscriber_by_websocket_gets_types_and_binary_messages(t) {
  const cid = 'nchan-types'
  const [, handled, told] = await open(t, page(`/nchan/?cid=${cid}`, 'websocket'), ['handled', 'told'])
  await told.until(1)
  await t.gateway.publish(cid, 'id: 1:1\n\nGrüße, 世界', { 'Content-Type': 'text/x-greeting' })
  await handled.until(1)
  await t.gateway.publish(cid, Buffer.from([0, 255, 10, 10, 128]), { 'Content-Type': 'application/octet-stream' })
  await handled.until(2)
  assert.deepEqual(handled.items.map(({ message, type }) => [message, type]), [
    ['id: 1:1\n\nGrüße, 世界', 'text/x-greeting'],
    [[0, 255, 10, 10, 128], 'application/octet-stream']
  ])
}

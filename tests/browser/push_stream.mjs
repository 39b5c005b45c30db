// A client as the push stream module's documentation describes its own, PushStream, in each of its modes: see
// pages/push_stream.html.

import assert from 'node:assert/strict'
import { startCable } from './front.mjs'
import { ownConfiguration } from './gateway.mjs'
import { apart, numbers, open } from './tab.mjs'

async function site(t) {
  return apart(t, await ownConfiguration('push_stream.toml', t.front.origin))
}

const page = (channels, options = {}) => `/push_stream.html?${new URLSearchParams({ channels, ...options })}`

/** Until the client waits, for the first time or again: it says that it is open before it is, and pauses between two polls. */
async function waits(tab, channel) {
  await tab.evaluate(async (channel) => {
    for (;;) {
      const answer = await fetch(`/channel/?cid=${channel}`)
      if (answer.ok && (await answer.json()).subscribers === 1) return
    }
  }, channel)
}

async function long_polling(t, options) {
  const here = await site(t)
  const [tab, got, told] = await open(here, page('one', options), ['got', 'told'])
  await told.until(1)
  await waits(tab, 'one')
  const sent = numbers(100).map((n) => `message ${n}`)
  for (const text of sent) await here.gateway.publish('one', text)
  const messages = await got.until(sent.length)
  assert.deepEqual(messages.map(({ text }) => text), sent)
  assert.deepEqual(messages.map(({ id }) => id), numbers(100, 1), 'ids count from 1')
  assert.ok(messages.every(({ channel }) => channel === 'one'))
  assert.deepEqual(told.items, ['open longpolling'])
}

export async function push_stream_client_by_longpolling_with_headers_gets_everything(t) {
  await long_polling(t, {})
}

export async function push_stream_client_by_longpolling_with_arguments_gets_everything(t) {
  await long_polling(t, { messagesControlByArgument: true })
}

export async function push_stream_client_by_longpolling_with_scripts_gets_everything(t) {
  await long_polling(t, { useJSONP: true })
}

/** A poll that timed out is followed by another, which gets what is published. */
async function asking_again(t, options) {
  const here = await site(t)
  const [tab, got, told] = await open(here, page('late', { longpolling: '/short/', ...options }), ['got', 'told'])
  assert.deepEqual(await told.until(2), ['open longpolling', 'timed out'])
  // A script has no position before the first message.
  if (options.useJSONP) await waits(tab, 'late')
  await here.gateway.publish('late', 'at last')
  assert.deepEqual((await got.until(1)).map(({ text }) => text), ['at last'])
}

export async function push_stream_client_by_script_asks_again_after_a_poll_that_timed_out(t) {
  await asking_again(t, { useJSONP: true })
}

export async function push_stream_client_of_two_channels_gets_everything(t) {
  const here = await site(t)
  const [tab, got, told] = await open(here, page('one/two'), ['got', 'told'])
  await told.until(1)
  await waits(tab, 'two')
  for (const n of numbers(100)) await here.gateway.publish(n % 2 ? 'one' : 'two', String(n))
  const messages = await got.until(100)
  assert.deepEqual(messages.map(({ text }) => Number(text)), numbers(100))
  assert.deepEqual(messages.map(({ channel }) => channel), numbers(100).map((n) => n % 2 ? 'one' : 'two'))
}

export async function push_stream_client_gets_the_event_id_of_the_publisher_and_old_messages(t) {
  const here = await site(t)
  for (const n of numbers(5)) await here.gateway.publish('old', String(n), { 'Event-Id': `event ${n}` })
  const [, got] = await open(here, page('old.b2'), ['got', 'told'])
  const messages = await got.until(2)
  assert.deepEqual(messages.map(({ text, eventid }) => [text, eventid]), [['3', 'event 3'], ['4', 'event 4']])
}

export async function push_stream_client_asks_again_after_a_poll_that_timed_out(t) {
  await asking_again(t, {})
}

export async function push_stream_client_is_told_that_a_channel_is_deleted(t) {
  const here = await site(t)
  const [tab, got, told] = await open(here, page('gone'), ['got', 'told'])
  await told.until(1)
  await waits(tab, 'gone')
  await here.gateway.publish('gone', 'one')
  await got.until(1)
  await waits(tab, 'gone')
  const status = await tab.evaluate(async () => (await fetch('/channel/?cid=gone', { method: 'DELETE' })).status)
  assert.equal(status, 200)
  await told.until(2)
  assert.deepEqual(told.items, ['open longpolling', 'deleted gone'])
}

const TEXTS = ['it\'s "quoted"', '</script><!-- ', 'a\\b', 'Grüße, 世界 🎉', 'two\nlines']

/** A mode whose connection stays gets everything, of two channels, history first. */
async function staying(t, mode) {
  const here = await site(t)
  for (const n of numbers(3)) await here.gateway.publish('one', `old ${n}`, { 'Event-Id': `event ${n}` })
  const [, got, told] = await open(here, page('one.b2/two', { modes: mode }), ['got', 'told'])
  assert.deepEqual((await got.until(2)).map(({ text, eventid }) => [text, eventid]),
    [['old 1', 'event 1'], ['old 2', 'event 2']])
  const sent = [...TEXTS, ...numbers(100).map((n) => `message ${n}`)]
  // As the client publishes: what it gets, it decodes.
  for (const [n, text] of sent.entries()) await here.gateway.publish(n % 2 ? 'one' : 'two', encodeURIComponent(text))
  const messages = (await got.until(2 + sent.length)).slice(2)
  assert.deepEqual(messages.map(({ text }) => text), sent)
  assert.deepEqual(messages.map(({ channel }) => channel), sent.map((_, n) => n % 2 ? 'one' : 'two'))
  for (const [channel, first] of [['one', 4], ['two', 1]]) {
    const ids = messages.filter((message) => message.channel === channel).map(({ id }) => id)
    assert.deepEqual(ids, numbers(ids.length, first), 'ids count in each channel')
  }
  assert.deepEqual(told.items, [`open ${mode}`])
}

export async function push_stream_client_by_websocket_gets_everything(t) {
  await staying(t, 'websocket')
}

export async function push_stream_client_by_eventsource_gets_everything(t) {
  await staying(t, 'eventsource')
}

export async function push_stream_client_by_stream_gets_everything(t) {
  await staying(t, 'stream')
}

/** What is published while its cable is cut comes when it is back, and nothing comes twice. */
async function cut(t, mode) {
  const here = await site(t)
  const cable = await startCable(new URL(here.front.origin).port)
  t.after(cable.stop)
  const there = { ...here, front: { origin: cable.url } }
  const [, got, told] = await open(there, page('one', { modes: mode }), ['got', 'told'])
  await told.until(1)
  let sent = 0
  for (const round of numbers(4)) {
    // In the middle of what comes next, a message or a ping.
    if (round > 0) cable.cutAfter(20)
    for (const n of numbers(10, sent)) await here.gateway.publish('one', `cut ${n}`)
    sent += 10
    await got.until(sent)
  }
  assert.deepEqual(got.items.map(({ text }) => text), numbers(sent).map((n) => `cut ${n}`))
  assert.equal(cable.cuts, 3)
  const changes = told.items.filter((item) => item !== 'silent')
  assert.deepEqual(changes, [...numbers(3).flatMap(() => [`open ${mode}`, `closed ${mode}`]), `open ${mode}`])
}

export async function push_stream_client_by_websocket_loses_nothing_when_its_cable_is_cut(t) {
  await cut(t, 'websocket')
}

export async function push_stream_client_by_eventsource_loses_nothing_when_its_cable_is_cut(t) {
  await cut(t, 'eventsource')
}

export async function push_stream_client_by_stream_loses_nothing_when_its_cable_is_cut(t) {
  await cut(t, 'stream')
}

export async function push_stream_client_by_stream_takes_pings_for_signs_of_life(t) {
  const here = await site(t)
  const [tab, got, told] = await open(here, page('one', { modes: 'stream' }), ['got', 'told'])
  await told.until(1)
  // Longer than it would wait in silence.
  await tab.evaluate(() => new Promise((resolve) => setTimeout(resolve, PING_TIMEOUT + 1000)))
  await here.gateway.publish('one', 'late')
  await got.until(1)
  assert.deepEqual(told.items, ['open stream'])
}

/** The first of these modes are not to be had: it takes the next. */
async function fallback(t, failing, next, prefix) {
  const here = await site(t)
  const failed = Object.fromEntries(failing.map((mode) => [mode, prefix]))
  const options = { modes: [...failing, next].join('|'), ...failed }
  const [tab, got, told] = await open(here, page('one', options), ['got', 'told'])
  const expected = [...failing.map((mode) => `failed ${mode}`), `open ${next}`]
  assert.deepEqual(await told.until(expected.length), expected)
  if (next === 'longpolling') await waits(tab, 'one')
  await here.gateway.publish('one', 'it is there')
  assert.deepEqual((await got.until(1)).map(({ text }) => text), ['it is there'])
  assert.deepEqual(told.items, expected)
}

export async function push_stream_client_falls_back_from_websocket_to_eventsource(t) {
  await fallback(t, ['websocket'], 'eventsource', '/nothing/')
}

export async function push_stream_client_falls_back_from_eventsource_to_stream(t) {
  await fallback(t, ['websocket', 'eventsource'], 'stream', '/nothing/')
}

export async function push_stream_client_falls_back_from_stream_to_longpolling(t) {
  await fallback(t, ['websocket', 'eventsource', 'stream'], 'longpolling', '/nothing/')
}

export async function push_stream_client_falls_back_from_what_is_forbidden(t) {
  await fallback(t, ['websocket', 'eventsource', 'stream'], 'longpolling', '/shut/')
}

export async function push_stream_client_tries_the_first_mode_again_after_the_last(t) {
  const here = await site(t)
  const options = { modes: 'websocket|eventsource', websocket: '/nothing/', eventsource: '/nothing/' }
  const [tab, , told] = await open(here, page('one', options), ['got', 'told'])
  await told.until(3)
  assert.deepEqual(told.items.slice(0, 3), ['failed websocket', 'failed eventsource', 'failed websocket'])
  await tab.evaluate(() => options.delete('eventsource'))
  // It may be in the middle of an attempt.
  for (let count = told.items.length; told.items.at(-1) !== 'open eventsource'; count += 1) {
    assert.ok(count < 12, told.items.join())
    await told.until(count + 1)
  }
}

export async function push_stream_client_by_eventsource_or_stream_is_told_that_a_channel_is_deleted(t) {
  const here = await site(t)
  for (const mode of ['eventsource', 'stream']) {
    const [tab, got, told] = await open(here, page(mode, { modes: mode }), ['got', 'told'])
    await told.until(1)
    await here.gateway.publish(mode, 'one')
    await got.until(1)
    const remove = async (channel) => (await fetch(`/channel/?cid=${channel}`, { method: 'DELETE' })).status
    assert.equal(await tab.evaluate(remove, mode), 200)
    await told.until(2)
    assert.deepEqual(told.items.slice(0, 2), [`open ${mode}`, `deleted ${mode}`])
  }
}

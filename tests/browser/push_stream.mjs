// A client as the push stream module's documentation describes its own, PushStream: see pages/push_stream.html.

import assert from 'node:assert/strict'
import { ownConfiguration } from './gateway.mjs'
import { apart, numbers, open } from './tab.mjs'

async function site(t) {
  return apart(t, await ownConfiguration('push_stream.toml', t.front.origin))
}

const page = (channels, options = {}) => `/push_stream.html?${new URLSearchParams({ channels, ...options })}`

/** Until the client waits again: it pauses between two polls. */
async function waits(tab, channel) {
  await tab.evaluate(async (channel) => {
    while ((await (await fetch(`/channel/?cid=${channel}`)).json()).subscribers !== 1);
  }, channel)
}

async function long_polling(t, options) {
  const here = await site(t)
  const [, got, told] = await open(here, page('one', options), ['got', 'told'])
  await told.until(1)
  const sent = numbers(100).map((n) => `message ${n}`)
  for (const text of sent) await here.gateway.publish('one', text)
  const messages = await got.until(sent.length)
  assert.deepEqual(messages.map(({ text }) => text), sent)
  assert.deepEqual(messages.map(({ id }) => id), numbers(100, 1), 'ids count from 1')
  assert.ok(messages.every(({ channel }) => channel === 'one'))
  assert.deepEqual(told.items, ['open'])
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

export async function push_stream_client_by_script_asks_again_after_a_poll_that_timed_out(t) {
  const here = await site(t)
  const [tab, got, told] = await open(here, page('late', { prefix: '/short/', useJSONP: true }), ['got', 'told'])
  assert.deepEqual(await told.until(2), ['open', 'timed out'])
  // It has no position before the first message.
  await waits(tab, 'late')
  await here.gateway.publish('late', 'at last')
  assert.deepEqual((await got.until(1)).map(({ text }) => text), ['at last'])
}

export async function push_stream_client_of_two_channels_gets_everything(t) {
  const here = await site(t)
  const [, got, told] = await open(here, page('one/two'), ['got', 'told'])
  await told.until(1)
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
  const here = await site(t)
  const [, got, told] = await open(here, page('late', { prefix: '/short/' }), ['got', 'told'])
  assert.deepEqual(await told.until(2), ['open', 'timed out'])
  await here.gateway.publish('late', 'at last')
  assert.deepEqual((await got.until(1)).map(({ text }) => text), ['at last'])
}

export async function push_stream_client_is_told_that_a_channel_is_deleted(t) {
  const here = await site(t)
  const [tab, got, told] = await open(here, page('gone'), ['got', 'told'])
  await told.until(1)
  await here.gateway.publish('gone', 'one')
  await got.until(1)
  await waits(tab, 'gone')
  const status = await tab.evaluate(async () => (await fetch('/channel/?cid=gone', { method: 'DELETE' })).status)
  assert.equal(status, 200)
  await told.until(2)
  assert.deepEqual(told.items, ['open', 'deleted gone'])
}

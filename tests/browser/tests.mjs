// The clients that web developers write from a textbook, in a real browser. `run.mjs` runs every exported function.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { startCable, startFront } from './front.mjs'
import { atRate, numbers, open, shipped } from './tab.mjs'

// --- Polling

export async function polling_every_five_seconds_gets_each_message_once(t) {
  await t.context.clock.install()
  const [tab, handled, completed] = await open(t, '/polling.html', ['handled', 'completed'])
  await tab.evaluate(() => $(document).ajaxComplete((event, xhr) => completed(xhr.responseJSON.messages.length)))
  const texts = (messages) => messages.map((message) => message.text)

  const sent = []
  for (const [round, count] of [3, 0, 1, 0, 7].entries()) {
    for (const text of numbers(count, sent.length).map(String)) {
      await t.gateway.publish('5', text)
      sent.push(text)
    }
    await t.context.clock.runFor(5000)
    assert.equal((await completed.until(round + 1)).at(-1), count)
  }
  const batches = await handled.until(3)
  assert.deepEqual(batches.map(texts), [['2', '1', '0'], ['3'], ['10', '9', '8', '7', '6', '5', '4']])
  assert.deepEqual(batches.flatMap((batch) => texts(batch).reverse()), sent)
}

// --- Comet

export async function comet_with_ids_gets_every_message_once_and_in_order(t) {
  const [, handled] = await open(t, '/comet.html?cid=comet')
  for (const n of numbers(200)) await t.gateway.publish('comet', JSON.stringify({ messages: [n] }))
  assert.deepEqual(await handled.until(200), numbers(200))
}

// --- Server push

const NASTY = [
  '</script><script>parent.handle("no")</script>', '<!-- <script>', ']]>', '\u2028 \u2029', '"quotes" \'and\' \\ back\\n',
  'line\nline\r\nline\ttab', '&lt;&amp;', '\u0000\u0001\u007f', 'Grüße, 世界, 🎉', '',
]

export async function an_iframe_gets_any_text_as_it_was_sent(t) {
  const [, handled] = await open(t, '/iframe.html?cid=iframe')
  for (const text of NASTY) await t.gateway.publish('iframe', JSON.stringify({ text, [text]: [text] }))
  for (const text of NASTY) await t.gateway.publish('iframe', text)
  await t.gateway.publish('iframe', '"end"')
  const expected = [...NASTY.map((text) => ({ text, [text]: [text] })), ...NASTY, 'end']
  assert.deepEqual(await handled.until(expected.length), expected)
}

// --- Server-Sent Events

const eventSource = (url) => `/eventsource.html?url=${encodeURIComponent(url)}`

export async function an_event_source_of_another_origin_gets_messages_and_named_events(t) {
  const listen = `http://127.0.0.1:${t.gateway.port}/listen/?cid=events`
  const [, handled, told] = await open(t, eventSource(listen), ['handled', 'told'])
  assert.deepEqual(await told.until(1), ['open'])
  await t.gateway.publish('events', 'one\n\ntwo')
  await t.gateway.publish('events', '42', { 'X-EventSource-Event': 'price' })
  await t.gateway.publish('events', '43', { 'X-EventSource-Event': 'unheard' })
  await t.gateway.publish('events', 'three')
  assert.deepEqual(await handled.until(3), ['one\n\ntwo', 'price: 42', 'three'])
  assert.deepEqual(told.items, ['open'])
}

export async function an_origin_that_is_not_allowed_gets_nothing(t) {
  const stranger = await startFront()
  t.after(stranger.stop)
  const listen = `http://127.0.0.1:${t.gateway.port}/listen/?cid=events`
  const there = { ...t, front: stranger }
  const [, handled, told] = await open(there, eventSource(listen), ['handled', 'told'])
  assert.deepEqual(await told.until(1), ['closed'])
  assert.deepEqual(handled.items, [])
}

export async function an_event_source_whose_connection_is_cut_loses_and_doubles_nothing(t) {
  const cable = await startCable(t.gateway.port)
  t.after(cable.stop)
  const [, handled, told] = await open(t, eventSource(`${cable.url}/listen/?cid=cut`), ['handled', 'told'])
  assert.deepEqual(await told.until(1), ['open'])

  let sent = 0
  const publish = async (count) => {
    for (const n of numbers(count, sent)) await t.gateway.publish('cut', `message ${n}`)
    sent += count
  }
  for (const cut of [cable.cut, () => cable.cutAfter(1000), () => cable.cutAfter(777)]) {
    await publish(50)
    cut()
    await publish(150)
    await handled.until(sent)
  }
  await publish(1)
  assert.deepEqual(await handled.until(sent), numbers(sent).map((n) => `message ${n}`))
  assert.deepEqual(told.items, ['open', 'lost', 'open', 'lost', 'open', 'lost', 'open'])
}

// --- Several tabs

async function two_tabs(t, cid, page, form, expected) {
  const tabs = [await open(t, page, ['handled', 'told']), await open(t, page, ['handled', 'told'])]
  for (const n of numbers(50)) await t.gateway.publish(cid, form(n))
  for (const [, handled] of tabs) assert.deepEqual(await handled.until(50), numbers(50).map(expected))
}

export async function two_tabs_of_event_source_get_everything_each(t) {
  await two_tabs(t, 'tabs-events', eventSource('/listen/?cid=tabs-events'), String, String)
}

export async function two_tabs_of_an_iframe_get_everything_each(t) {
  await two_tabs(t, 'tabs-iframe', '/iframe.html?cid=tabs-iframe', String, (n) => n)
}

// The README's client sends no ids: the browser does, one tag for both tabs.
export async function two_tabs_of_comet_get_everything_each(t) {
  const site = await shipped(t)
  const tabs = [await comet(site), await comet(site)]
  await atRate(50, 10, (n) => site.gateway.publish('5', JSON.stringify({ messages: [n] })))
  for (const handle of tabs) assert.deepEqual(await handle.until(50), numbers(50))
}

/** A tab with the README's client of Comet, whose first poll waits. */
async function comet(site) {
  const [tab, handle] = await open(site, '/blank.html', ['handle'])
  const head = tab.waitForResponse((response) => new URL(response.url()).pathname === '/get_messages/')
  await tab.addScriptTag({ content: await readme('Comet') })
  await head
  return handle
}

// --- The front proxy, and what the README promises

export async function publishing_through_a_front_proxy_is_refused(t) {
  const [tab] = await open(t, '/blank.html')
  const status = await tab.evaluate(async () => (await fetch('/publish/?cid=5', { method: 'POST', body: 'no' })).status)
  assert.equal(status, 403)
}

async function readme(heading) {
  const text = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  return text.split(`### ${heading}`)[1].split('```js\n')[1].split('```')[0]
}

export async function the_polling_client_of_the_readme_works(t) {
  const site = await shipped(t)
  await t.context.clock.install()
  const [tab, handle] = await open(site, '/blank.html', ['handle'])
  await tab.addScriptTag({ content: await readme('Polling') })
  let sent = 0
  for (const count of [3, 2]) {
    for (const n of numbers(count, sent)) await site.gateway.publish('5', String(n))
    sent += count
    await t.context.clock.runFor(5000)
    await handle.until(sent)
  }
  assert.deepEqual(handle.items, ['0', '1', '2', '3', '4'])
}

export async function the_comet_client_of_the_readme_works(t) {
  const site = await shipped(t)
  const handle = await comet(site)
  for (const n of numbers(50)) await site.gateway.publish('5', JSON.stringify({ messages: [n, `${n}, again`] }))
  assert.deepEqual(await handle.until(100), numbers(50).flatMap((n) => [n, `${n}, again`]))
}

export async function the_web_socket_client_of_the_readme_works(t) {
  const [tab, handle] = await open(await shipped(t), '/blank.html', ['handle'])
  await tab.addScriptTag({ content: (await readme('WebSocket')).replace('const ws', 'window.ws') })
  assert.deepEqual(await handle.until(1), [{ text: 'hi' }])
  assert.equal(await tab.evaluate(() => window.ws.protocol), 'chat')
}

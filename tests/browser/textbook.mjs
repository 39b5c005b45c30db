// The four clients of a textbook, as they are written there, on the shipped configuration.

import assert from 'node:assert/strict'
import { numbers, open, shipped } from './tab.mjs'

const messages = (...texts) => JSON.stringify({ messages: texts })

export async function textbook_polling_on_the_shipped_configuration(t) {
  const site = await shipped(t)
  await t.context.clock.install()
  const [tab, handled, completed] = await open(site, '/polling.html', ['handled', 'completed'])
  await tab.evaluate(() => $(document).ajaxComplete((event, xhr) => completed(xhr.responseJSON.messages.length)))
  let sent = 0
  for (const [round, count] of [2, 0, 3].entries()) {
    for (const n of numbers(count, sent)) await site.gateway.publish('5', String(n))
    sent += count
    await t.context.clock.runFor(5000)
    assert.equal((await completed.until(round + 1)).at(-1), count)
  }
  const batches = await handled.until(2)
  assert.deepEqual(batches.map((batch) => batch.map((message) => message.text)), [['1', '0'], ['4', '3', '2']])
}

export async function textbook_comet_on_the_shipped_configuration(t) {
  const site = await shipped(t)
  const [, handled] = await open(site, '/textbook/comet.html', ['handled'], '/get_messages/')
  for (const n of numbers(100)) await site.gateway.publish('5', messages(n))
  assert.deepEqual(await handled.until(100), numbers(100))
}

export async function textbook_server_push_on_the_shipped_configuration(t) {
  const site = await shipped(t)
  const [, handled] = await open(site, '/textbook/iframe.html', ['handled'], '/messages/')
  const texts = ['hello', '</script><!-- "quotes" \u2028', 'Grüße, 世界']
  for (const text of texts) await site.gateway.publish('123', JSON.stringify({ message: text }))
  assert.deepEqual(await handled.until(texts.length), texts.map((text) => ({ message: text })))
}

export async function textbook_web_socket_on_the_shipped_configuration(t) {
  const site = await shipped(t)
  const [tab, told, handled] = await open(site, '/textbook/websocket.html', ['told', 'handled'])
  const [, otherTold, otherHandled] = await open(site, '/textbook/websocket.html', ['told', 'handled'])
  assert.deepEqual(await told.until(1), ['open, speaking chat'])
  await otherTold.until(1)
  const sent = numbers(50).map((n) => ({ n, text: 'Grüße, 世界 🎉' }))
  for (const message of sent) await tab.evaluate((message) => say(message), message)
  assert.deepEqual(await handled.until(sent.length), sent)
  await tab.evaluate(() => ws.close())
  assert.deepEqual(await told.until(2), ['open, speaking chat', 'closed 1005'])
  assert.deepEqual(otherHandled.items, [])
}

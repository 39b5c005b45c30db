// The page that plots what the gateway does.

import assert from 'node:assert/strict'
import { startGateway } from './gateway.mjs'

const CONFIGURATION = `
[[server]]
listen = ["127.0.0.1:0"]

[[server.location]]
path = "= /dashboard"
push_dashboard = true

[[server.location]]
path = "/publish/"
push_publisher = true
push_channel_id = "$arg_cid"
push_publish_status = 200
`

export async function the_dashboard_plots_what_happens_and_says_when_it_is_over(t) {
  const gateway = await startGateway(CONFIGURATION)
  const page = await t.context.newPage()
  const complaints = []
  page.on('pageerror', (error) => complaints.push(error.message))
  // A policy that is violated complains there, too.
  page.on('console', (said) => said.type() === 'error' && complaints.push(said.text()))
  const elsewhere = []
  const own = `http://127.0.0.1:${gateway.port}/`
  page.on('request', (request) => request.url().startsWith(own) || elsewhere.push(request.url()))
  await page.goto(`${own}dashboard`)
  const shown = (title) => page.locator('figure', { hasText: title }).locator('output')
  await page.waitForFunction(() => document.getElementById('state').textContent === 'live')
  for (const n of Array(5).keys()) await gateway.publish(String(n), 'message')
  await page.waitForFunction(() => document.querySelectorAll('figure')[6].textContent.includes('5'), null, { timeout: 30_000 })
  assert.equal(await shown('messages that are kept').textContent(), '5')
  await page.waitForFunction(() => [...document.querySelectorAll('path')].every((path) => path.getAttribute('d')?.includes('L')))
  assert.equal(await page.locator('#transports tbody tr').count(), 8)
  assert.equal(await page.locator('#upstreams').isVisible(), false)
  assert.ok(await page.evaluate(() => getComputedStyle(document.querySelector('path')).fill === 'none'))
  assert.deepEqual([complaints, elsewhere.filter((url) => !url.endsWith('/favicon.ico'))], [[], []])
  // A gateway that hangs is told from one that is quiet.
  gateway.signal('SIGSTOP')
  await page.waitForSelector('#state.lost', { timeout: 30_000 })
  gateway.signal('SIGCONT')
  await page.waitForFunction(() => document.getElementById('state').textContent === 'live', null, { timeout: 30_000 })
  assert.equal(await gateway.stop(), 0)
  await page.waitForSelector('#state.lost', { timeout: 30_000 })
}

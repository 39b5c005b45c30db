// Runs the browser tests, or those whose names contain the arguments: node run.mjs [name]...

import { chromium } from 'playwright-core'
import { startFront } from './front.mjs'
import { ownConfiguration, startGateway } from './gateway.mjs'
import * as cursorless from './cursorless.mjs'
import * as dashboard from './dashboard.mjs'
import * as django from './django.mjs'
import * as nchan from './nchan.mjs'
import * as pushStream from './push_stream.mjs'
import * as tests from './tests.mjs'
import * as textbook from './textbook.mjs'

// Chromium is started for one page of this machine: no sandbox (tests run as root), nothing in the background.
const CHROMIUM = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
}

const wanted = process.argv.slice(2)
const all = [tests, textbook, cursorless, nchan, pushStream, django, dashboard].flatMap(Object.entries)
const chosen = all.filter(([name]) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
const front = await startFront()
const gateway = await startGateway(await ownConfiguration('pushgate.toml', front.origin))
front.gateway = gateway.port
const browser = await chromium.launch(CHROMIUM)

let failed = 0
for (const [n, [name, test]] of chosen.entries()) {
  const context = await browser.newContext()
  const afterwards = []
  const line = `${n + 1} ${name.replaceAll('_', ' ')}`
  try {
    await test({ context, front, gateway, after: (stop) => afterwards.push(stop) })
    console.log(`ok ${line}`)
  } catch (error) {
    failed += 1
    console.log(`not ok ${line}\n${error.stack}`)
  } finally {
    await context.close()
    for (const stop of afterwards) await stop()
  }
}

await browser.close()
await front.stop()
const status = await gateway.stop()
if (status !== 0) console.log(`the gateway ended with ${status}`)
console.log(`${chosen.length - failed} passed, ${failed} failed`)
process.exitCode = failed > 0 || chosen.length === 0 || status !== 0 ? 1 : 0

// The gateway under test: the release binary on a free port of loopback.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = new URL('../../', import.meta.url).pathname
const binary = process.env.PUSHGATE ?? join(root, 'target/release/pushgate')
const agent = new http.Agent({ keepAlive: true })

/** A configuration of the tests, for pages of an origin. */
export async function ownConfiguration(name, origin) {
  return (await readFile(new URL(name, import.meta.url), 'utf8')).replaceAll('$origin', origin)
}

/** The configuration that is shipped, but for its port. */
export async function shippedConfiguration() {
  return (await readFile(join(root, 'conf/pushgate.toml'), 'utf8')).replace(/^listen = .*$/m, 'listen = ["127.0.0.1:0"]')
}

export async function startGateway(configuration) {
  const folder = await mkdtemp(join(tmpdir(), 'pushgate-'))
  const file = join(folder, 'pushgate.toml')
  await writeFile(file, configuration)

  // It ends with this process, however that ends.
  const daemon = spawn('setpriv', ['--pdeathsig', 'KILL', binary, '-c', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(daemon, 'exit')
  const url = await Promise.race([listening(daemon), exited.then(([status]) => { throw Error(`it ended with ${status}`) })])

  const stop = async () => {
    daemon.kill('SIGTERM')
    const [status] = await exited
    agent.destroy()
    await rm(folder, { recursive: true })
    return status
  }
  return { port: Number(new URL(url).port), publish: publisher(url), signal: (name) => daemon.kill(name), stop }
}

function listening(daemon) {
  return new Promise((resolve) => {
    let output = ''
    for (const stream of [daemon.stdout, daemon.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
        const url = output.match(/http:\/\/[\d.]+:\d+/)
        if (url) resolve(url[0])
        else process.stderr.write(text)
      })
    }
  })
}

/** Publishes as an application does: a POST, and 200 is success. */
function publisher(url) {
  return (cid, text, headers = {}) => new Promise((resolve, reject) => {
    const body = Buffer.from(text)
    const path = `${url}/publish/?cid=${encodeURIComponent(cid)}`
    const options = { agent, method: 'POST', timeout: 30_000, headers: { 'Content-Length': body.length, ...headers } }
    const request = http.request(path, options, (response) => {
      response.resume()
      response.on('end', () => {
        if (response.statusCode === 200) resolve()
        else reject(Error(`publishing was answered ${response.statusCode}`))
      })
    })
    request.on('timeout', () => request.destroy(Error('publishing was not answered')))
    request.on('error', reject).end(body)
  })
}

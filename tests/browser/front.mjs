// What stands before the gateway in the tests: a web server of pages that passes the rest on, and a cable that can be cut.

import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'

const pages = new URL('pages/', import.meta.url)
const scripts = {
  '/jquery.js': new URL('node_modules/jquery/dist/jquery.js', import.meta.url),
  '/nchan.js': new URL('node_modules/nchan/NchanSubscriber.js', import.meta.url)
}

/** Serves the pages, and is a reverse proxy for everything else, once it knows the gateway's port. */
export async function startFront() {
  const front = { gateway: undefined }
  const server = http.createServer((request, response) => {
    const name = request.url.split('?')[0]
    if (name in scripts) send(response, scripts[name], 'text/javascript')
    else if (name.endsWith('.html')) send(response, new URL(name.slice(1), pages), 'text/html; charset=utf-8')
    else if (name === '/favicon.ico') response.writeHead(404).end()
    else pass(request, response, front.gateway)
  })
  server.on('upgrade', (request, socket, head) => passUpgrade(request, socket, head, front.gateway))
  front.origin = `http://127.0.0.1:${await listen(server)}`
  front.stop = () => close(server)
  return front
}

async function send(response, file, type) {
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(await readFile(file))
}

function pass(request, response, port) {
  const headers = { ...request.headers, 'x-forwarded-for': request.socket.remoteAddress }
  const options = { host: '127.0.0.1', port, method: request.method, path: request.url, headers, agent: false }
  const upstream = http.request(options, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders)
    response.flushHeaders()
    answer.on('error', () => response.destroy()).pipe(response)
  })
  upstream.on('error', () => response.destroy())
  response.on('close', () => upstream.destroy())
  request.pipe(upstream)
}

function passUpgrade(request, socket, head, port) {
  const upstream = net.connect(port, '127.0.0.1')
  for (const [from, to] of [[socket, upstream], [upstream, socket]]) {
    from.on('error', () => {}).on('close', () => to.destroy())
  }
  const lines = [`${request.method} ${request.url} HTTP/1.1`]
  for (let n = 0; n < request.rawHeaders.length; n += 2) lines.push(`${request.rawHeaders[n]}: ${request.rawHeaders[n + 1]}`)
  upstream.write(`${lines.join('\r\n')}\r\nX-Forwarded-For: ${socket.remoteAddress}\r\n\r\n`)
  upstream.write(head)
  socket.pipe(upstream).pipe(socket)
}

/** A TCP connection to the gateway for every one that is made to it, until it is cut; `cuts` counts how often it was. */
export async function startCable(port) {
  const pairs = new Set()
  const cable = { cuts: 0 }
  let left = Infinity
  let marker
  cable.cut = () => {
    left = Infinity
    marker = undefined
    cable.cuts += pairs.size > 0
    for (const pair of pairs) pair.forEach((socket) => socket.destroy())
  }
  const server = net.createServer((browser) => {
    const gateway = net.connect(port, '127.0.0.1')
    const pair = [browser, gateway]
    pairs.add(pair)
    browser.pipe(gateway)
    gateway.on('data', (bytes) => {
      const at = marker ? bytes.indexOf(marker) : -1
      if (at >= 0) left = at + 1
      browser.write(bytes.subarray(0, left))
      left -= bytes.length
      if (left < 0) browser.end(cable.cut)
    })
    for (const [from, to] of [pair, [gateway, browser]]) {
      from.on('error', () => {}).on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
    }
  })
  cable.url = `http://127.0.0.1:${await listen(server)}`
  cable.stop = () => {
    cable.cut()
    return close(server)
  }
  /** Cuts when so many more bytes have come from the gateway, wherever in a message that is. */
  cable.cutAfter = (bytes) => { left = bytes }
  /** Cuts in the middle of this text, when it comes. */
  cable.cutIn = (text) => { marker = text }
  return cable
}

async function listen(server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address().port
}

async function close(server) {
  server.closeAllConnections?.()
  server.close()
  await once(server, 'close')
}

// Walks through the pages of a server in Chromium, as a person would: signs in, follows every link of the console, goes through each page with the
// keyboard. Whatever somebody would complain about ends it with a list; else there is a picture of each page.
//
//     node src/main.mjs --chromium PATH --showcase PROGRAM --pictures FOLDER

import { execFileSync, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

import { accountPages, consolePages } from './pages.mjs';
import { checkKeyboard, checkLayout, watch } from './checks.mjs';

const { values } = parseArgs({
  options: { chromium: { type: 'string' }, showcase: { type: 'string' }, pictures: { type: 'string' }, only: { type: 'string' } },
});

/** How pages are looked at: the width of a desk and of a telephone, by day and by night. */
const SIGHTS = [
  { name: 'wide-light', width: 1280, height: 800, colorScheme: 'light' },
  { name: 'wide-dark', width: 1280, height: 800, colorScheme: 'dark' },
  { name: 'narrow-light', width: 360, height: 740, colorScheme: 'light' },
  { name: 'narrow-dark', width: 360, height: 740, colorScheme: 'dark' },
];
/** A picture shows the beginning of a long page. */
const TALLEST = { 1280: 1300, 360: 1200 };

async function main() {
  const server = spawn(values.showcase, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const complaints = [];
  try {
    const [line] = await new Promise((resolve, reject) => {
      server.once('exit', (code) => reject(new Error(`the showcase ended with ${code}`)));
      createInterface({ input: server.stdout }).once('line', (text) => resolve([text]));
    });
    const place = JSON.parse(line);
    await mkdir(values.pictures, { recursive: true });
    const browser = await chromium.launch({ executablePath: values.chromium, args: ['--no-sandbox', '--disable-gpu'] });
    try {
      for (const sight of SIGHTS) {
        await look(browser, place, sight, complaints);
      }
    } finally {
      await browser.close();
    }
  } finally {
    server.stdin.end();
  }
  if (complaints.length > 0) {
    throw new Error(`${complaints.length} complaints:\n${complaints.map((complaint) => `  ${complaint}`).join('\n')}`);
  }
}

/** Walks through everything with one kind of sight. JavaScript is off: pages must not need it. */
async function look(browser, place, sight, complaints) {
  const context = await browser.newContext({
    baseURL: place.url,
    viewport: { width: sight.width, height: sight.height },
    colorScheme: sight.colorScheme,
    locale: 'en-GB',
    javaScriptEnabled: false,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const complain = (what) => complaints.push(`${sight.name} ${new URL(page.url()).pathname}: ${what}`);
  watch(page, complain);
  const see = async (name) => {
    if (values.only && !name.includes(values.only)) return;
    await checkLayout(page, complain);
    await picture(page, name, sight);
    if (sight.colorScheme === 'light') await checkKeyboard(page, complain);
  };
  await consolePages(page, place, see, complain);
  await accountPages(page, place, see, complain);
  await context.close();
}

async function picture(page, name, sight) {
  const tall = await page.evaluate(() => document.documentElement.scrollHeight);
  const height = Math.min(Math.max(tall, sight.height), TALLEST[sight.width]);
  await page.evaluate(() => window.scrollTo(0, 0));
  const clip = { x: 0, y: 0, width: sight.width, height };
  const path = join(values.pictures, `${name}-${sight.name}.png`);
  await page.screenshot({ path, clip, fullPage: true, animations: 'disabled' });
  // Pages have few colours: 64 of them make a third of the file, and nobody sees the difference.
  execFileSync('pngquant', ['--force', '--skip-if-larger', '--speed', '1', '--strip', '--nofs', '--output', path, '64', path]);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(`error: ${error.message}`);
    process.exit(1);
  },
);

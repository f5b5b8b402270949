// Walks through the pages of a server in Chromium, as a person would: signs in, follows every link of the console, goes through each page with the
// keyboard. Whatever somebody would complain about ends it with a list; else there is a picture of each page.
//
//     node src/main.mjs --chromium PATH --showcase PROGRAM --pictures FOLDER

import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

import { accountPages, consolePages } from './pages.mjs';
import { papers, papersInPrint } from './papers.mjs';
import { checkKeyboard, checkLayout, watch } from './checks.mjs';
import { open, picture, SIGHTS } from './sight.mjs';

const { values } = parseArgs({
  options: { chromium: { type: 'string' }, showcase: { type: 'string' }, pictures: { type: 'string' }, only: { type: 'string' } },
});

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
      await papersInPrint(browser, place, values, (what) => complaints.push(`in print: ${what}`));
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

/** Walks through everything with one kind of sight. */
async function look(browser, place, sight, complaints) {
  const context = await open(browser, place.url, sight);
  const page = await context.newPage();
  const complain = (what) => complaints.push(`${sight.name} ${new URL(page.url()).pathname}: ${what}`);
  watch(page, complain);
  const see = async (name) => {
    if (values.only && !name.includes(values.only)) return;
    await checkLayout(page, complain);
    await picture(page, values.pictures, name, sight);
    if (sight.colorScheme === 'light') await checkKeyboard(page, complain);
  };
  await consolePages(page, place, see, complain);
  await accountPages(page, place, see, complain);
  await papers(page, place, see, complain);
  await context.close();
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(`error: ${error.message}`);
    process.exit(1);
  },
);

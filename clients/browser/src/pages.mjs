// The pages, in the order in which a person comes to them.

import { signIn } from './sight.mjs';

/** The console: name of the picture, and address. */
const CONSOLE = [
  ['overview', '/console'],
  ['alerts', '/console/alerts'],
  ['incidents', '/console/incidents'],
  ['incident', '/console/incidents/2'],
  ['demands', '/console/demands'],
  ['demand', '/console/demands/3'],
  ['standing', '/console/standing'],
  ['duty', '/console/standing/RU/ori-registration'],
  ['dossiers', '/console/dossiers'],
  ['dossier', '/console/dossiers/RU'],
  ['paper', '/console/papers/1'],
  ['blocklists', '/console/blocklists'],
  ['probes', '/console/probes'],
  ['probe-run', '/console/probes/10'],
  ['regions', '/console/regions'],
  ['moves', '/console/moves'],
  ['arrivals', '/console/arrivals'],
  ['audits', '/console/audits'],
  ['ledger', '/console/ledger'],
];

async function leave(page) {
  const answered = page.waitForNavigation();
  await page.click('text=Sign out');
  await answered;
}

export async function consolePages(page, place, see, complain) {
  await page.goto('/console');
  if (!page.url().endsWith('/console/login')) complain('the console is shown to somebody who has not signed in');
  await see('console-login');
  await signIn(page, [['name', place.operators[0]], ['password', place.password]]);
  if (!page.url().endsWith('/console')) complain('signing in does not lead to the console');
  for (const [name, address] of CONSOLE) {
    const answer = await page.goto(address);
    if (!answer.ok()) complain(`it answered ${answer.status()}`);
    await see(`console-${name}`);
  }
  // What opens is looked at, too.
  await page.goto('/console/incidents');
  await page.click('main summary');
  await see('console-incident-new');
  // Links of the pages lead somewhere.
  const links = new Set();
  for (const [, address] of CONSOLE) {
    await page.goto(address);
    for (const link of await page.$$eval('a[href^="/"]', (all) => all.map((one) => one.getAttribute('href')))) links.add(link);
  }
  for (const link of links) {
    const answer = await page.request.get(link);
    if (!answer.ok()) complain(`the link ${link} leads to ${answer.status()}`);
  }
  await page.goto('/console');
  await leave(page);
  await page.goto('/console');
  if (!page.url().endsWith('/console/login')) complain('signing out does not end the session');
}

export async function accountPages(page, place, see, complain) {
  await page.goto('/');
  await see('front');
  await page.goto('/status');
  await see('status');
  // The page of the link that comes with an account, and that of a token.
  for (const language of ['en', 'de', 'ru', 'zh']) {
    await page.goto(`/sign-in/${language}?name=${place.user}`);
    await see(`sign-in-${language}`);
  }
  await page.goto('/sign-in/en?token=pXk2vQmT7cLrWb9s');
  await see('sign-in-token');
  await page.goto('/account');
  await see('account-login');
  await signIn(page, [['name', place.user], ['password', place.user_password]]);
  for (const language of ['en', 'de', 'ru', 'zh']) {
    await page.goto(`/account/${language}`);
    if ((await page.$$('form[action$="/erase"]')).length !== 1) complain('signing in does not lead to the account');
    await see(`account-${language}`);
  }
  await page.goto('/account/en');
  if ((await page.$$('form[action$="/object"]')).length !== 1) complain('she cannot object to the move that was announced');
  // What opens is looked at, too.
  for (const summary of await page.$$('main summary')) await summary.click();
  await see('account-open');
  const made = page.waitForNavigation();
  await page.click('form[action$="/key"] button');
  await made;
  if (!(await page.textContent('pre')).startsWith('AGE-SECRET-KEY-1')) complain('no key was made');
  await see('account-key');
  await page.goto('/account/en');
  await leave(page);
  await page.goto('/account/en');
  if ((await page.$$('form[action$="/login"]')).length !== 1) complain('signing out does not end the session');
}

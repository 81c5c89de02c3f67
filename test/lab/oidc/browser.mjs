// A person at a real browser: node browser.mjs CHROMIUM LINK ADDRESS PASSWORD [cancel]
//
// Opens the link, signs in and accepts (or cancels), and prints as JSON where the browser ended, the title of that
// page, its text, and every address that it went through.
import { chromium } from 'playwright-core';

const [executablePath, link, address, password, cancel] = process.argv.slice(2);
const root = process.getuid?.() === 0;
const browser = await chromium.launch({ executablePath, args: ['--disable-gpu', '--disable-quic', ...(root ? ['--no-sandbox'] : [])] });
// The servers' certificate is the lab's own.
const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
page.setDefaultTimeout(60_000);
const way = [];
page.on('framenavigated', (frame) => { if (frame === page.mainFrame()) way.push(frame.url()); });

await page.goto(link);
if (cancel) {
  await page.click('text=Cancel');
} else {
  if (await page.inputValue('input[name=login]') !== address) await page.fill('input[name=login]', address); // login_hint
  await page.fill('input[name=password]', password);
  await page.click('button[type=submit]');
  await page.click('text=Accept');
}
await page.waitForURL(/^http:\/\/localhost:/);
console.log(JSON.stringify({ url: page.url(), title: await page.title(), text: await page.innerText('body'), way }));
await browser.close();

// Works in a mailbox with Microsoft's own SDK, and prints what it saw as one line of JSON.
//
// Environment: MODULES (a folder with @microsoft/microsoft-graph-client), ROOT (https://localhost:port), TOKEN, ADDRESS,
// OTHER (another mailbox). NODE_EXTRA_CA_CERTS names the playground's authority.
import { createRequire } from 'node:module';

const { MODULES, ROOT, TOKEN, ADDRESS, OTHER } = process.env;
const { Client, BatchRequestContent, BatchResponseContent, FileUpload, LargeFileUploadTask, PageIterator } =
  createRequire(`${MODULES}/x.js`)('@microsoft/microsoft-graph-client');
const graph = Client.init({
  baseUrl: `${ROOT}/`,
  defaultVersion: 'v1.0',
  customHosts: new Set([new URL(ROOT).hostname]),
  authProvider: (done) => done(null, TOKEN),
});
const user = `/users/${ADDRESS}`;
const immutable = ['Prefer', 'IdType="ImmutableId"'];
const seen = {};

const inbox = await graph.api(`${user}/mailFolders/inbox/messages`).select('id,subject').get();
seen.before = inbox.value.map((message) => message.subject);

const draft = await graph.api(`${user}/messages`).header(...immutable).post({
  subject: 'sent by the SDK',
  body: { contentType: 'text', content: 'hello' },
  toRecipients: [{ emailAddress: { address: OTHER } }],
  internetMessageId: '<sdk-1@contoso.example>',
});
await graph.api(`${user}/messages/${draft.id}/send`).post({});
const sent = await graph.api(`${user}/mailFolders/sentitems/messages`).header(...immutable).select('id').get();
seen.keptId = sent.value[0].id === draft.id;

await graph.api(`${user}/sendMail`).post({
  message: {
    subject: 'sent at once by the SDK',
    body: { contentType: 'html', content: '<b>hello</b>' },
    toRecipients: [{ emailAddress: { address: ADDRESS } }],
  },
});
const page = await graph.api(`${user}/mailFolders/inbox/messages/delta`).header(...immutable).get();
const told = [];
const iterator = new PageIterator(graph, page, (message) => { told.push(message); return true; }, {
  headers: { Prefer: immutable[1] },
});
await iterator.iterate();
seen.told = told.length;
seen.deltaLink = typeof iterator.getDeltaLink() === 'string';

const id = told.find((message) => message.subject === 'sent at once by the SDK').id;
await graph.api(`${user}/messages/${id}`).header(...immutable).patch({ categories: ['Tracked'], isRead: true });
const changed = await graph.api(`${user}/messages/${id}`).header(...immutable).get();
seen.categories = changed.categories;
seen.isRead = changed.isRead;

const folder = await graph.api(`${user}/mailFolders/inbox/childFolders`).post({ displayName: 'Undeliverable' });
const moved = await graph.api(`${user}/messages/${id}/move`).header(...immutable).post({ destinationId: folder.id });
seen.movedKeptId = moved.id === id;
await graph.api(`${user}/messages/${id}/move`).header(...immutable).post({ destinationId: 'inbox' });

const batch = new BatchRequestContent([
  { id: 'one', request: new Request(`${ROOT}${user}/messages/${id}`, { method: 'GET' }) },
  { id: 'two', request: new Request(`${ROOT}${user}/messages/none`, { method: 'DELETE' }) },
]);
const answers = new BatchResponseContent(await graph.api('/$batch').post(await batch.getContent()));
seen.batch = ['one', 'two'].map((part) => answers.getResponseById(part).status);

const mime = await graph.api(`${user}/messages/${id}/$value`).responseType('text').get();
seen.mime = typeof mime === 'string' && mime.includes('sent at once by the SDK');
try {
  await graph.api('/users/nobody@contoso.example/messages').get();
} catch (error) {
  seen.refused = [error.statusCode, error.code];
}

const large = await graph.api(`${user}/messages`).header(...immutable).post({
  subject: 'uploaded by the SDK',
  body: { contentType: 'text', content: 'see attachment' },
  toRecipients: [{ emailAddress: { address: OTHER } }],
});
const content = Buffer.alloc(7 * 1024 * 1024 + 5, 'abcdefg');
const opened = await LargeFileUploadTask.createUploadSession(
  graph,
  `${user}/messages/${large.id}/attachments/createUploadSession`,
  { AttachmentItem: { attachmentType: 'file', name: 'large.bin', size: content.length } },
);
const file = new FileUpload(content, 'large.bin', content.length);
const task = new LargeFileUploadTask(graph, file, opened, { rangeSize: 10 * 320 * 1024 });
const uploaded = await task.upload();
seen.uploaded = uploaded.location !== undefined;
const files = await graph.api(`${user}/messages/${large.id}/attachments`).select('name,size').get();
seen.files = files.value.map((one) => [one.name, one.size]);
await graph.api(`${user}/messages/${large.id}/send`).post({});
console.log(JSON.stringify(seen));

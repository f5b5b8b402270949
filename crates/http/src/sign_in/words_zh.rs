//! The page about signing in, in Chinese.

use super::words::Words;

pub(super) static ZH: Words = Words {
    title: "登录",
    about: "您在这里获得了一个账户，或者可以创建一个。任何 Matrix 应用都可以使用；您需要以下内容。",
    skip: "跳到正文",
    languages: "语言",
    typed: "在应用中输入的内容",
    server: "服务器（homeserver）",
    ask: "请询问给您此链接的人。",
    name: "用户名",
    token: "注册令牌",
    token_about: "您用它创建账户：请在应用中选择“创建账户”。",
    password: "密码",
    password_given: "您在收到此链接时已获知密码，或者由您自己选定。",
    password_new: "创建账户时由您自己选定。请妥善保管：这里没有人能读取它。",
    apps: "应用",
    apps_links: "以下链接会打开已填好服务器的应用：",
    element_x: "Element X，用于手机",
    element_classic: "Element Classic，用于手机",
    cinny: "Cinny，用于浏览器",
    makers: "这些链接通向应用制作者的页面；他们由此得知您使用哪台服务器，但不知道您的名字。",
    others: "在任何其他应用中，请选择其他服务器（通常在“编辑”之后），并输入上面的服务器。",
    trouble: "如果无法登录",
    careful: "请只在您的应用和此地址的页面上输入密码。运营者从不向您询问密码。",
    elsewhere: "如果应用提示用户名或密码错误，而实际上没有错，您的账户可能存放在本服务的另一个地址：即与账户一同告知您的地址。另有：",
    account: "您的账户",
    status: "服务状态",
};

export default { dialect: "postgresql", out: process.env.MIGRATIONS, dbCredentials: { url: process.env.DATABASE_URL } };

//! The attribute `#[squall::test]`.

use proc_macro::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, ItemFn, LitInt, Path, Token, parse_macro_input};

/// The number of seeds that a test runs where the attribute names none.
const SEEDS_DEFAULT: u64 = 20;

/// Runs an async test in the simulated world, once for each of `seeds` seeds.
///
/// The test is the harness of a run: it adds nodes, starts programs on them, and judges what comes
/// of it. See `squall::testing` for the seeds, and for what a failure prints.
///
/// `config = PATH` names a function from a `squall::engine::Config` to another, which says what the
/// world is like: the order of tasks, the network, what a power loss leaves on a disk.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as Arguments);
    let function = parse_macro_input!(item as ItemFn);
    expand(&arguments, &function)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

struct Arguments {
    seeds: u64,
    config: Option<Path>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self {
            seeds: SEEDS_DEFAULT,
            config: None,
        };
        while !input.is_empty() {
            arguments.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn parse_one(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let name: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        if name == "seeds" {
            self.seeds = seeds(input)?;
        } else if name == "config" {
            self.config = Some(input.parse()?);
        } else {
            let expected = "expected `seeds = N` or `config = FUNCTION`";
            return Err(syn::Error::new(name.span(), expected));
        }
        Ok(())
    }
}

fn seeds(input: ParseStream<'_>) -> syn::Result<u64> {
    let count: LitInt = input.parse()?;
    match count.base10_parse()? {
        0 => Err(syn::Error::new(
            count.span(),
            "a test without seeds tests nothing",
        )),
        seeds => Ok(seeds),
    }
}

fn expand(arguments: &Arguments, function: &ItemFn) -> syn::Result<proc_macro2::TokenStream> {
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
        ..
    } = function;
    if sig.asyncness.is_none() {
        return Err(syn::Error::new_spanned(
            sig.fn_token,
            "a simulated test is an `async fn`",
        ));
    }
    if !sig.inputs.is_empty() {
        return Err(syn::Error::new_spanned(
            &sig.inputs,
            "a simulated test has no arguments",
        ));
    }
    let (name, output, seeds) = (&sig.ident, &sig.output, arguments.seeds);
    let config = match &arguments.config {
        Some(path) => quote!(#path),
        None => quote!(::core::convert::identity),
    };
    Ok(quote! {
        #(#attrs)*
        #[::core::prelude::v1::test]
        #vis fn #name() {
            async fn body() #output #block
            ::squall::testing::run(
                &::squall::testing::Case {
                    path: ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
                    seeds: #seeds,
                    directory: ::core::env!("CARGO_MANIFEST_DIR"),
                    config: #config,
                },
                body,
            );
        }
    })
}

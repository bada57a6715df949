//! The attribute `#[squall::test]`.

use proc_macro::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, ItemFn, LitInt, Token, parse_macro_input};

/// The number of seeds that a test runs where the attribute names none.
const SEEDS_DEFAULT: u64 = 20;

/// Runs an async test in the simulated world, once for each of `seeds` seeds.
///
/// The test is the harness of a run: it adds nodes, starts programs on them, and judges what comes
/// of it. See `squall::testing` for the seeds, and for what a failure prints.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let Arguments { seeds } = parse_macro_input!(arguments as Arguments);
    let function = parse_macro_input!(item as ItemFn);
    expand(seeds, &function)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

struct Arguments {
    seeds: u64,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() {
            return Ok(Self {
                seeds: SEEDS_DEFAULT,
            });
        }
        let name: Ident = input.parse()?;
        if name != "seeds" {
            return Err(syn::Error::new(name.span(), "expected `seeds = N`"));
        }
        input.parse::<Token![=]>()?;
        let count: LitInt = input.parse()?;
        let seeds = count.base10_parse()?;
        if seeds == 0 {
            return Err(syn::Error::new(
                count.span(),
                "a test without seeds tests nothing",
            ));
        }
        if !input.is_empty() {
            return Err(input.error("expected nothing more"));
        }
        Ok(Self { seeds })
    }
}

fn expand(seeds: u64, function: &ItemFn) -> syn::Result<proc_macro2::TokenStream> {
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
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
    let (name, output) = (&sig.ident, &sig.output);
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
                },
                body,
            );
        }
    })
}
